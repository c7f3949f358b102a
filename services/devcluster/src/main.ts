import { runService } from "@fairlead/host";
import { composeDevcluster } from "./compose.ts";
import { readDevclusterConfig } from "./config.ts";

await runService({ name: "devcluster", read: readDevclusterConfig, compose: composeDevcluster });
