/** By which traffic is known to come from pods: a table for each way, and one for the masquerade of everything. */
import { describe, beforeAll, afterAll } from "vitest";
import { defaultPlaneOptions, type FlowBench } from "./flow-bench.ts";
import type { FlowPlaneOptions } from "./flow-options.ts";
import { describeTable } from "./flow-packets.ts";

/** A way, and what becomes of connections: as in `packetFlows`. */
export const localTrafficFlows: readonly {
  readonly title: string;
  readonly options: FlowPlaneOptions;
  readonly table: string;
}[] = [
  {
    title: "pods known by the ranges of the cluster",
    options: defaultPlaneOptions,
    table: `
| address   | policy  | endpoints                                  | a     | b     | node-1 | e     | outside |
|-----------|---------|--------------------------------------------|-------|-------|--------|-------|---------|
| ClusterIP | Cluster | here (pod c)                               | c:own | c:own | c:node | c:own | c:node  |
| any       | Local   | elsewhere (pod f); here pod c, terminating | f:own | f:own | f:node | -     | c:own   |
`,
  },
  {
    title: "pods known by the ranges of their node",
    options: { ...defaultPlaneOptions, localTraffic: { kind: "node-ranges" } },
    table: `
| address   | policy  | endpoints                                  | a     | b     | node-1 | e      | outside |
|-----------|---------|--------------------------------------------|-------|-------|--------|--------|---------|
| ClusterIP | Cluster | here (pod c)                               | c:own | c:own | c:node | c:node | c:node  |
| any       | Local   | elsewhere (pod f); here pod c, terminating | f:own | f:own | f:node | c:own  | c:own   |
`,
  },
  {
    title: "pods known by one interface (that of pod b)",
    options: { ...defaultPlaneOptions, localTraffic: { kind: "interface", name: "pod-b" } },
    table: `
| address   | policy  | endpoints                                  | a      | b     | node-1 | e      | outside |
|-----------|---------|--------------------------------------------|--------|-------|--------|--------|---------|
| ClusterIP | Cluster | here (pod c)                               | c:node | c:own | c:node | c:node | c:node  |
| any       | Local   | elsewhere (pod f); here pod c, terminating | c:own  | f:own | f:node | c:own  | c:own   |
`,
  },
  {
    title: "pods known by the beginning of their interfaces' names (pod-)",
    options: { ...defaultPlaneOptions, localTraffic: { kind: "interface-prefix", prefix: "pod-" } },
    table: `
| address   | policy  | endpoints                                  | a     | b     | node-1 | e      | outside |
|-----------|---------|--------------------------------------------|-------|-------|--------|--------|---------|
| ClusterIP | Cluster | here (pod c)                               | c:own | c:own | c:node | c:node | c:node  |
| any       | Local   | elsewhere (pod f); here pod c, terminating | f:own | f:own | f:node | c:own  | c:own   |
`,
  },
  {
    title: "pods not known",
    options: { ...defaultPlaneOptions, localTraffic: { kind: "none" } },
    table: `
| address   | policy  | endpoints                                  | a     | b     | node-1 | e     | outside |
|-----------|---------|--------------------------------------------|-------|-------|--------|-------|---------|
| ClusterIP | Cluster | here (pod c)                               | c:own | c:own | c:own  | c:own | c:own   |
| any       | Local   | elsewhere (pod f); here pod c, terminating | c:own | c:own | f:node | c:own | c:own   |
`,
  },
  {
    title: "all that goes to cluster IPs masqueraded",
    options: { ...defaultPlaneOptions, masqueradeAll: true },
    table: `
| address   | policy  | endpoints                                  | a      | b      | node-1 | e      | outside |
|-----------|---------|--------------------------------------------|--------|--------|--------|--------|---------|
| ClusterIP | Cluster | here (pod c)                               | c:node | c:node | c:node | c:node | c:node  |
| any       | Local   | elsewhere (pod f); here pod c, terminating | f:own  | f:own  | f:node | -      | c:own   |
`,
  },
];

/** Asks each table of a plane of its own. */
export function describeLocalTraffic(bench: () => FlowBench): void {
  for (const { title, options, table } of localTrafficFlows) {
    describe(`with ${title}`, () => {
      beforeAll(() => bench().start(options));
      afterAll(() => bench().end());
      describeTable(bench, { title: "new connections", table: table.trim(), protocols: ["TCP"] });
    });
  }
}
