import { runService } from "@fairlead/host";
import { composeIngress } from "./compose.ts";
import { readIngressConfig } from "./config.ts";

await runService({ name: "ingress", read: readIngressConfig, compose: composeIngress });
