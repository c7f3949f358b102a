/**
 * Text of the series of every Service port, in the Prometheus format. Written here and not by the metrics library: tens of thousands of
 * Services have hundreds of thousands of series, and changes of endpoints must not wait until all of them are written.
 */
import type { ServicePortKey } from "@fairlead/types";

/** What is told of each Service port, by what it is told. */
const series = {
  connections_total: "New connections; in the kernel also UDP flows",
  connections_active: "TCP connections and UDP flows open now",
  sent_bytes_total: "Bytes from clients to endpoints",
  received_bytes_total: "Bytes from endpoints to clients",
  sent_packets_total: "Packets from clients to endpoints",
  received_packets_total: "Packets from endpoints to clients",
  connect_failures_total: "Connects to an endpoint that failed",
  connect_retries_total: "Connects made again to another endpoint",
  unserved_total: "Clients turned away because no endpoint took them",
  refused_by_source_total: "Clients outside loadBalancerSourceRanges",
  refused_by_limit_total: "Clients turned away because the agent was full",
  udp_flows_total: "UDP flows begun",
  sent_datagrams_total: "Datagrams from clients to endpoints",
  received_datagrams_total: "Datagrams from endpoints to clients",
} as const;
type SeriesName = keyof typeof series;

/** Values of one Service port; a series without a value is not there. */
export type SeriesRow = Readonly<Partial<Record<SeriesName, number>>>;

/** The values of all. */
export type SeriesRows = readonly (readonly [ServicePortKey, SeriesRow])[];

/** Lines that are written before other work has its turn. */
const LINES_PER_TURN = 2_000;

/** The text; `giveWay` is awaited now and then, and lets other work go on. */
export async function seriesText(rows: SeriesRows, giveWay: () => Promise<void>): Promise<string> {
  const labels: string[] = [];
  const blocks: string[] = [];
  for (const [index, [key]] of rows.entries()) {
    labels.push(`{service_port="${key.replaceAll(/[\\"\n]/g, (sign) => (sign === "\n" ? "\\n" : `\\${sign}`))}"} `);
    if (index % LINES_PER_TURN === LINES_PER_TURN - 1) await giveWay();
  }
  for (const [name, help] of Object.entries(series) as [SeriesName, string][]) {
    const full = `fairlead_proxy_${name}`;
    const kind = name.endsWith("_total") ? "counter" : "gauge";
    let lines = `# HELP ${full} ${help}\n# TYPE ${full} ${kind}\n`;
    for (const [index, [, row]] of rows.entries()) {
      const value = row[name];
      if (value !== undefined) lines += `${full}${labels[index]}${value}\n`;
      if (index % LINES_PER_TURN === LINES_PER_TURN - 1) await giveWay();
    }
    blocks.push(lines);
  }
  return blocks.join("\n");
}
