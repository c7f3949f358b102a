/** What planes do otherwise than kube-proxy; docs/packet-flows.md has the titles. */
import type { FlowDeviation } from "../../src/testing/flow-options.ts";

/** What the userspace plane does. */
export const userspaceDeviations: readonly FlowDeviation[] = [
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
      "What the node itself sends to a load balancer comes from that address, which is one of the node's: source ranges have to name it, as the agent sees to where they name the node.",
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

/** What the ipvs plane does. */
export const ipvsDeviations: readonly FlowDeviation[] = [
  {
    title:
      "What the node itself sends to a load balancer comes from that address, which is one of the node's: source ranges have to name it, as the agent sees to where they name the node.",
    instead: ({ client, kind, entry }, { instead }) =>
      client === "node-1" && kind === "LoadBalancer" && hasRanges(entry) && instead === undefined
        ? { answers: [], instead: "dropped" }
        : undefined,
  },
  {
    title:
      "What the node itself sends to Services is masqueraded, also where nobody knows pods: it comes from the Service's address.",
    instead: ({ client }, { answers, instead }) =>
      client === "node-1" && instead === undefined
        ? { answers: answers.map(({ by }) => ({ by, source: "node" })) }
        : undefined,
  },
];

function hasRanges({ frontends }: Parameters<FlowDeviation["instead"]>[0]["entry"]): boolean {
  return frontends.some(({ sourceRanges }) => sourceRanges.length > 0);
}
