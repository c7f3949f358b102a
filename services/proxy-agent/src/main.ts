import { runService } from "@fairlead/host";
import { cleanupTask, composeProxyAgent } from "./compose.ts";
import { readProxyAgentConfig } from "./config.ts";

await runService({ name: "proxy-agent", read: readProxyAgentConfig, compose: composeProxyAgent, task: cleanupTask });
