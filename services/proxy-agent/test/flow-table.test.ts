import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { localTrafficFlows } from "../src/testing/flow-local-traffic.ts";
import { cellOf, cellText, flowRows, nodePortFlows, packetFlows, placements } from "../src/testing/flow-table.ts";
import { ipvsDeviations, userspaceDeviations } from "./support/flow-deviations.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/packet-flows.md"), "utf8");

describe("the table of packet flows", () => {
  it("has a row for every kind of address, policy and place of endpoints", () => {
    const rows = flowRows(packetFlows).map(({ kind, policy, placement }) => `${kind} ${policy} ${placement}`);
    const places = Object.keys(placements).filter((name) => !name.includes("(pod"));
    const all = ["ClusterIP", "NodePort", "ExternalIP", "LoadBalancer"].flatMap((kind) =>
      ["Cluster", "Local"].flatMap((policy) => places.map((place) => `${kind} ${policy} ${place}`)),
    );
    expect(rows.toSorted()).toEqual(all.toSorted());
  });

  it("names only endpoints that the Service has, and refuses what it cannot read", () => {
    for (const { cells, placement } of flowRows(packetFlows)) {
      const { cluster, local } = placements[placement];
      for (const { answers } of cells.values()) {
        for (const { by } of answers) expect([...cluster, ...local]).toContain(by);
      }
    }
    expect(cellText(cellOf("a:own d:node"))).toBe("a:own d:node");
    expect(() => cellOf("a:elsewhere")).toThrow("no cell");
    expect(() => flowRows(`${nodePortFlows}\n| Ingress | Local | here |`)).toThrow("no row");
  });
});

describe("docs/packet-flows.md", () => {
  it.each([packetFlows, nodePortFlows, ...localTrafficFlows.map(({ table }) => table.trim())])(
    "has each table as it is asked (%#)",
    (table) => {
      expect(page).toContain(table);
    },
  );

  it.each([...userspaceDeviations, ...ipvsDeviations])("says: $title", ({ title }) => {
    expect(page.replaceAll("\n  ", " ")).toContain(title);
  });
});
