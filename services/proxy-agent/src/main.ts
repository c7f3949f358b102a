import { runService } from "@fairlead/host";
import { composeProxyAgent } from "./compose.ts";
import { readProxyAgentConfig } from "./config.ts";

await runService({ name: "proxy-agent", read: readProxyAgentConfig, compose: composeProxyAgent });
