import { labPlan, openLab, outcomeText } from "@fairlead/netlab";
import { needs } from "@fairlead/testkit";
import { describe, expect, it } from "vitest";
import { adding, endpointAt, entryOf, frontendAt, RecordingObserver } from "../src/testing.ts";
import { flowCompliance } from "../src/testing/flow-compliance.ts";
import type { UserspacePlane } from "../src/userspace/userspace-plane.ts";
import { userspaceDeviations } from "./support/flow-deviations.ts";
import { makeUserspacePlane } from "./support/userspace.ts";

// A machine that stood still for a moment is no endpoint that does not answer.
const connectTimeoutMs = 10_000;

describe.skipIf(needs("root"))("in the process", () => {
  flowCompliance("the userspace plane", {
    worksInThread: true,
    needsAddresses: true,
    deviations: userspaceDeviations,
    limits: { weightsNeedScheduler: true },
    make: async (_lab, observer) => makeUserspacePlane({ observer, connectTimeoutMs }),
  });

  it("the first datagram of a client is led on also where its address cannot be had", async () => {
    await using lab = await openLab({ nodes: 1, podsPerNode: 1, outsiders: 1 });
    await lab.pod("a").serve({ port: 53, protocol: "UDP" });
    const leave = lab.node(1).namespace.enter();
    let plane: UserspacePlane | undefined;
    try {
      plane = makeUserspacePlane({ observer: new RecordingObserver() });
      const at = { address: labPlan.node(1).IPv4, port: 30_053 };
      const frontend = frontendAt(at, { kind: "NodePort", policy: "Local" });
      const endpoints = [endpointAt({ address: labPlan.pod(1, 1).IPv4, port: 53 })];
      await plane.apply(adding(entryOf({ name: "dns", protocol: "UDP", frontends: [frontend], endpoints })));
      expect(outcomeText(await lab.outsider().ask(at, "UDP"))).toBe(`a sees ${labPlan.podGateway(1).IPv4}`);
    } finally {
      leave();
      await plane?.stop();
    }
  });
});
