import { needs } from "@fairlead/testkit";
import { describe } from "vitest";
import { feedCompliance } from "../src/testing.ts";
import { natsSetup } from "./support/nats-setup.ts";

describe.skipIf(needs("nats-server"))("over NATS", () => {
  feedCompliance("NatsChangeFeed", () => natsSetup());
});
