/**
 * What becomes of a new connection to a Service on node-1: kube-proxy's rules as a table, to be asked with real packets. The table is also
 * in docs/packet-flows.md, which says what its words mean.
 */
import type { FrontendKind } from "../plan/entry.ts";
import type { TrafficPolicy } from "@fairlead/types";

/** Who asks: pod a of node-1 (the endpoint here), pod b of node-1, node-1 itself, pod e of node-2, a client outside. */
export const flowClients = ["a", "b", "node-1", "e", "outside-1"] as const;
/** See {@link flowClients}. */
export type FlowClient = (typeof flowClients)[number];

/** Which endpoints a Service has: what the planner makes of them for node-1. */
export interface Placement {
  readonly cluster: readonly EndpointName[];
  readonly local: readonly EndpointName[];
  readonly standby?: readonly { readonly name: EndpointName; readonly serving: boolean }[];
}

/** Where servers are: pods a and c of node-1, d and f of node-2, and the nodes themselves. */
export type EndpointName = "a" | "c" | "d" | "f" | "node-1" | "node-2";

/** The table's words for endpoints, and the lists that they stand for. */
export const placements = {
  here: { cluster: ["a"], local: ["a"] },
  elsewhere: { cluster: ["d"], local: [] },
  "here and elsewhere": { cluster: ["a", "d"], local: ["a"] },
  none: { cluster: [], local: [] },
  "here terminating, elsewhere ready": { cluster: ["d"], local: ["a"] },
  "here on standby, elsewhere ready": {
    cluster: ["d"],
    local: [],
    standby: [{ name: "a", serving: true }],
  },
  "here on standby": { cluster: [], local: [], standby: [{ name: "a", serving: false }] },
  "this node": { cluster: ["node-1"], local: ["node-1"] },
  "another node": { cluster: ["node-2"], local: [] },
  "here (pod c)": { cluster: ["c"], local: ["c"] },
  "elsewhere (pod f); here pod c, terminating": { cluster: ["f"], local: ["c"] },
} as const satisfies Record<string, Placement>;

export type PlacementName = keyof typeof placements;

/** `any` stands for NodePort, ExternalIP and LoadBalancer: kube-proxy treats them alike. */
export const packetFlows = `
| address   | policy  | endpoints                         | a             | b             | node-1        | e             | outside       |
|-----------|---------|-----------------------------------|---------------|---------------|---------------|---------------|---------------|
| ClusterIP | Cluster | here                              | a:node        | a:own         | a:node        | a:own         | a:node        |
| ClusterIP | Cluster | elsewhere                         | d:own         | d:own         | d:node        | -             | d:node        |
| ClusterIP | Cluster | here and elsewhere                | a:node d:own  | a:own d:own   | a:node d:node | -             | a:node d:node |
| ClusterIP | Cluster | none                              | refused       | refused       | refused       | refused       | refused       |
| ClusterIP | Cluster | here terminating, elsewhere ready | d:own         | d:own         | d:node        | -             | d:node        |
| ClusterIP | Cluster | here on standby, elsewhere ready  | d:own         | d:own         | d:node        | -             | d:node        |
| ClusterIP | Cluster | here on standby                   | refused       | refused       | refused       | refused       | refused       |
| ClusterIP | Cluster | this node                         | node-1:own    | node-1:own    | node-1:own    | node-1:own    | node-1:own    |
| ClusterIP | Cluster | another node                      | node-2:own    | node-2:own    | node-2:node   | -             | node-2:node   |
| ClusterIP | Local   | here                              | a:node        | a:own         | a:node        | a:own         | a:node        |
| ClusterIP | Local   | elsewhere                         | dropped       | dropped       | dropped       | dropped       | dropped       |
| ClusterIP | Local   | here and elsewhere                | a:node        | a:own         | a:node        | a:own         | a:node        |
| ClusterIP | Local   | none                              | refused       | refused       | refused       | refused       | refused       |
| ClusterIP | Local   | here terminating, elsewhere ready | a:node        | a:own         | a:node        | a:own         | a:node        |
| ClusterIP | Local   | here on standby, elsewhere ready  | dropped       | dropped       | dropped       | dropped       | dropped       |
| ClusterIP | Local   | here on standby                   | refused       | refused       | refused       | refused       | refused       |
| ClusterIP | Local   | this node                         | node-1:own    | node-1:own    | node-1:own    | node-1:own    | node-1:own    |
| ClusterIP | Local   | another node                      | dropped       | dropped       | dropped       | dropped       | dropped       |
| any       | Cluster | here                              | a:node        | a:node        | a:node        | a:node        | a:node        |
| any       | Cluster | elsewhere                         | d:node        | d:node        | d:node        | d:node        | d:node        |
| any       | Cluster | here and elsewhere                | a:node d:node | a:node d:node | a:node d:node | a:node d:node | a:node d:node |
| any       | Cluster | none                              | refused       | refused       | refused       | refused       | refused       |
| any       | Cluster | here terminating, elsewhere ready | d:node        | d:node        | d:node        | d:node        | d:node        |
| any       | Cluster | here on standby, elsewhere ready  | d:node        | d:node        | d:node        | d:node        | d:node        |
| any       | Cluster | here on standby                   | refused       | refused       | refused       | refused       | refused       |
| any       | Cluster | this node                         | node-1:own    | node-1:own    | node-1:own    | node-1:own    | node-1:own    |
| any       | Cluster | another node                      | node-2:node   | node-2:node   | node-2:node   | node-2:node   | node-2:node   |
| any       | Local   | here                              | a:node        | a:own         | a:node        | a:own         | a:own         |
| any       | Local   | elsewhere                         | d:own         | d:own         | d:node        | -             | dropped       |
| any       | Local   | here and elsewhere                | a:node d:own  | a:own d:own   | a:node d:node | -             | a:own         |
| any       | Local   | none                              | refused       | refused       | refused       | refused       | refused       |
| any       | Local   | here terminating, elsewhere ready | d:own         | d:own         | d:node        | -             | a:own         |
| any       | Local   | here on standby, elsewhere ready  | d:own         | d:own         | d:node        | -             | dropped       |
| any       | Local   | here on standby                   | refused       | refused       | refused       | refused       | refused       |
| any       | Local   | this node                         | node-1:own    | node-1:own    | node-1:own    | node-1:own    | node-1:own    |
| any       | Local   | another node                      | node-2:own    | node-2:own    | node-2:node   | -             | dropped       |
`.trim();

/** Of a Service that has node ports and no other address: by the rules it is like any other. */
export const nodePortFlows = `
| address  | policy  | endpoints          | a             | b             | node-1        | e             | outside       |
|----------|---------|--------------------|---------------|---------------|---------------|---------------|---------------|
| NodePort | Cluster | here and elsewhere | a:node d:node | a:node d:node | a:node d:node | a:node d:node | a:node d:node |
| NodePort | Local   | elsewhere          | d:own         | d:own         | d:node        | -             | dropped       |
| NodePort | Local   | here and elsewhere | a:node d:own  | a:own d:own   | a:node d:node | -             | a:own         |
`.trim();

/** The rows of it that are asked by SCTP as well. Its sockets do not hear ICMP's refusals, and go on trying. */
export const sctpFlows: string = packetFlows
  .split("\n")
  .filter((line, index) => index < 2 || /\| (?:here|elsewhere|none) +\|/.test(line))
  .join("\n")
  .replaceAll("refused", "dropped");

/**
 * What a client may meet: one of these endpoints, which sees it by its own address, by that of the node that sends it there, or (where a
 * plane cannot do better) by the Service's; or no endpoint at all.
 */
export interface Cell {
  readonly answers: readonly { readonly by: EndpointName; readonly source: "own" | "node" | "service" }[];
  /** Where nobody answers. */
  readonly instead?: "refused" | "dropped" | "reset";
}

/** One row of the table, for one kind of address. */
export interface FlowRow {
  readonly kind: FrontendKind;
  readonly policy: TrafficPolicy;
  readonly placement: PlacementName;
  /** Without the clients that are not asked. */
  readonly cells: ReadonlyMap<FlowClient, Cell>;
}

const kindsOf: Readonly<Record<string, readonly FrontendKind[]>> = {
  ClusterIP: ["ClusterIP"],
  NodePort: ["NodePort"],
  any: ["NodePort", "ExternalIP", "LoadBalancer"],
};

/** Reads a table of this form. */
export function flowRows(table: string): readonly FlowRow[] {
  const [, , ...lines] = table.split("\n");
  return lines.flatMap((line) => {
    const [address = "", policy = "", placement = "", ...texts] = line
      .split("|")
      .slice(1, -1)
      .map((text) => text.trim());
    const cells = new Map<FlowClient, Cell>();
    for (const [index, client] of flowClients.entries()) {
      const text = texts[index] ?? "-";
      if (text !== "-") cells.set(client, cellOf(text));
    }
    if (!(placement in placements) || !(address in kindsOf)) throw new Error(`no row of the table: ${line}`);
    return (kindsOf[address] ?? []).map((kind) => ({
      kind,
      policy: policy as TrafficPolicy,
      placement: placement as PlacementName,
      cells,
    }));
  });
}

/** Reads a cell: `a:own d:node`, `refused`. */
export function cellOf(text: string): Cell {
  if (text === "refused" || text === "dropped" || text === "reset") return { answers: [], instead: text };
  const answers = text.split(" ").map((part) => {
    const [by, source] = part.split(":");
    if (source !== "own" && source !== "node" && source !== "service") throw new Error(`no cell of the table: ${text}`);
    return { by: by as EndpointName, source } as const;
  });
  return { answers };
}

/** Inverse of {@link cellOf}. */
export function cellText({ answers, instead }: Cell): string {
  return instead ?? answers.map(({ by, source }) => `${by}:${source}`).join(" ");
}
