/** Asks a table of packet flows, row by row. */
import type { IpFamily, Protocol } from "@fairlead/types";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FrontendKind, ServicePortEntry } from "../plan/entry.ts";
import type { FlowBench } from "./flow-bench.ts";
import type { FlowQuestion } from "./flow-options.ts";
import { type AskedQuestion, askQuestion, compared } from "./flow-questions.ts";
import { type Cell, type FlowClient, type FlowRow, flowRows, type Placement, placements } from "./flow-table.ts";

export const families = ["IPv4", "IPv6"] as const satisfies readonly IpFamily[];

/** Times that a question is asked which has, or might wrongly have, several answers. */
const timesWithChoice = 4;

/** Adds the Services of a table, asks all of it at once, and has a test for each row. */
export function describeTable(
  bench: () => FlowBench,
  options: { readonly title: string; readonly table: string; readonly protocols: readonly Protocol[] },
): void {
  const { title, table, protocols } = options;
  const rows = flowRows(table);
  const ways = families.flatMap((family) => protocols.map((protocol) => ({ family, protocol })));
  describe(`flows of ${title}`, () => {
    const answers = new Map<string, readonly AskedQuestion[]>();
    let entries: ServicePortEntry[] = [];

    beforeAll(async () => {
      const asking: Promise<void>[] = [];
      const services = new Map<string, ServicePortEntry>();
      const usable = ways.filter(({ protocol }) => bench().protocols.includes(protocol));
      for (const way of usable) {
        for (const row of rows) services.set(serviceName(row, way), serviceOf(bench(), row, way, rows));
      }
      entries = [...new Set(services.values())];
      await bench().apply({ added: entries });
      for (const way of usable) {
        for (const row of rows) {
          const entry = services.get(serviceName(row, way)) as ServicePortEntry;
          const asked = askRow(bench(), row, entry).then((heard) => void answers.set(rowName(row, way), heard));
          asking.push(asked);
        }
      }
      await Promise.all(asking);
    });

    afterAll(() => bench().apply({ removed: entries }));

    for (const way of ways) {
      describe(`by ${way.family} ${way.protocol}`, () => {
        for (const row of rows) {
          it(`${row.kind} of policy ${row.policy}, endpoints ${row.placement}`, () => {
            const asked = answers.get(rowName(row, way));
            // A protocol that the kernel has no sockets for was not asked.
            if (asked === undefined) {
              expect(bench().protocols).not.toContain(way.protocol);
              return;
            }
            const { heard, expected } = compared(bench(), asked);
            expect(heard).toEqual(expected);
          });
        }
      });
    }
  });
}

interface Way {
  readonly family: IpFamily;
  readonly protocol: Protocol;
}

function askRow(bench: FlowBench, row: FlowRow, entry: ServicePortEntry): Promise<readonly AskedQuestion[]> {
  const placement: Placement = placements[row.placement];
  const { kind, policy } = row;
  const questions = [...row.cells].map(([client, cell]) => {
    const withoutShortCircuit =
      kind !== "ClusterIP" && policy === "Local" && client !== "outside-1"
        ? withoutShortCircuitOf(client, placement, cell)
        : undefined;
    const question: FlowQuestion = {
      kind,
      policy,
      family: entry.family,
      protocol: entry.protocol,
      client,
      entry,
      at: bench.at(entry, kind),
      ...(withoutShortCircuit === undefined ? {} : { withoutShortCircuit }),
    };
    return askQuestion(bench, question, cell, hasChoice(placement) ? timesWithChoice : 1);
  });
  return Promise.all(questions);
}

/** What policy Local comes to if it is applied to everybody. */
function withoutShortCircuitOf(client: FlowClient, { cluster, local }: Placement, cell: Cell): Cell {
  if (cell.instead === "refused" && cluster.length === 0) return cell;
  if (local.length === 0) return { answers: [], instead: "dropped" };
  return { answers: local.map((by) => ({ by, source: by === client ? "node" : "own" })) };
}

function hasChoice({ cluster, local, standby = [] }: Placement): boolean {
  return new Set([...cluster, ...local, ...standby.map(({ name }) => name)]).size > 1;
}

/** One Service has an address of each kind that the table asks for with these endpoints and this policy. */
const made = new WeakMap<readonly FlowRow[], Map<string, ServicePortEntry>>();

function serviceOf(bench: FlowBench, row: FlowRow, way: Way, rows: readonly FlowRow[]): ServicePortEntry {
  const services = made.get(rows) ?? new Map<string, ServicePortEntry>();
  made.set(rows, services);
  const name = serviceName(row, way);
  const kinds: readonly FrontendKind[] = rows
    .filter(({ placement, policy }) => placement === row.placement && policy === row.policy)
    .map(({ kind }) => kind);
  const service =
    services.get(name) ??
    bench.service({ ...way, placement: placements[row.placement], policy: row.policy, kinds: [...new Set(kinds)] });
  services.set(name, service);
  return service;
}

function serviceName({ placement, policy }: FlowRow, { family, protocol }: Way): string {
  return [placement, policy, family, protocol].join(" ");
}

function rowName(row: FlowRow, way: Way): string {
  return `${row.kind} ${serviceName(row, way)}`;
}
