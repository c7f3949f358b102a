#!/usr/bin/env node
import { runService } from "@fairlead/host";
import { composeEndpointController } from "./compose.ts";
import { readEndpointControllerConfig } from "./config.ts";

await runService({
  name: "endpoint-controller",
  read: readEndpointControllerConfig,
  compose: composeEndpointController,
});
