#!/usr/bin/env node
import { runService } from "@fairlead/host";
import { composeCloudLb } from "./compose.ts";
import { readCloudLbConfig } from "./config.ts";

await runService({ name: "cloud-lb", read: readCloudLbConfig, compose: composeCloudLb });
