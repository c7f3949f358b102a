import { planeCompliance } from "../src/testing.ts";
import { makeUserspacePlane, loopback } from "./support/userspace.ts";

planeCompliance("the userspace plane", async (observer) => ({
  plane: makeUserspacePlane({ observer }),
  serviceAddress: () => loopback(96),
  endpointAddress: () => loopback(244),
  clients: ["127.0.0.1", "127.0.0.2"],
  refusal: "ECONNREFUSED",
  stop: async () => undefined,
}));
