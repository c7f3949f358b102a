import { runService } from "@fairlead/host";
import { composeDns } from "./compose.ts";
import { readDnsConfig } from "./config.ts";

await runService({ name: "dns", read: readDnsConfig, compose: composeDns });
