import { labPlan, openLab, outcomeText } from "@fairlead/netlab";
import { needs } from "@fairlead/testkit";
import { describe, expect, it } from "vitest";
import { adding, endpointAt, entryOf, frontendAt, RecordingObserver } from "../src/testing.ts";
import { flowCompliance, type FlowDeviation } from "../src/testing/flow-compliance.ts";
import type { UserspacePlane } from "../src/userspace/userspace-plane.ts";
import { makeUserspacePlane } from "./support/userspace.ts";

/** What the userspace plane does otherwise; docs/packet-flows.md has the titles. */
const deviations: readonly FlowDeviation[] = [
  {
    title:
      "There is no short circuit: what pods and the node itself send to addresses of external policy Local goes to this node's endpoints only.",
    instead: ({ withoutShortCircuit }) => withoutShortCircuit,
  },
  {
    title:
      "Where this node has no endpoint and policy Local allows no other, clients are refused, not dropped: nobody listens there.",
    instead: ({ refusedBy }, { instead }) =>
      instead === "dropped" && refusedBy === undefined ? { answers: [], instead: "refused" } : undefined,
  },
  {
    title:
      "What the node itself sends to a load balancer comes from the load balancer's address, which is one of the node's: source ranges have to name that.",
    instead: ({ client, kind, entry }, { instead }) =>
      client === "node-1" && kind === "LoadBalancer" && hasRanges(entry) && instead === undefined
        ? { answers: [], instead: entry.protocol === "TCP" ? "reset" : "dropped" }
        : undefined,
  },
  {
    title:
      "Clients outside the source ranges of a load balancer are reset once they have connected (datagrams are dropped), or refused where there is no endpoint.",
    instead: ({ refusedBy, protocol, entry }) => {
      if (refusedBy === undefined) return undefined;
      if (entry.cluster.length === 0) return { answers: [], instead: "refused" };
      return protocol === "TCP" ? { answers: [], instead: "reset" } : undefined;
    },
  },
  {
    title: "Endpoints see this node's address, as the connection to them is one of this node's own.",
    instead: (_question, { answers, instead }) =>
      instead === undefined ? { answers: answers.map(({ by }) => ({ by, source: "node" })) } : undefined,
  },
  {
    title:
      "What the node itself sends to externalIPs and load balancers of policy Local may come from the Service's address, for the same reason.",
    instead: ({ client, kind, policy }, { answers, instead }) =>
      client === "node-1" &&
      policy === "Local" &&
      ["ExternalIP", "LoadBalancer"].includes(kind) &&
      instead === undefined
        ? { answers: [...answers, ...answers.map(({ by }) => ({ by, source: "service" }) as const)] }
        : undefined,
  },
];

// A machine that stood still for a moment is no endpoint that does not answer.
const connectTimeoutMs = 10_000;

describe.skipIf(needs("root"))("in the process", () => {
  flowCompliance("the userspace plane", {
    worksInThread: true,
    needsAddresses: true,
    deviations,
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

function hasRanges({ frontends }: Parameters<FlowDeviation["instead"]>[0]["entry"]): boolean {
  return frontends.some(({ sourceRanges }) => sourceRanges.length > 0);
}
