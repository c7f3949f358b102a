/**
 * What it costs to program the kernel with a flat map of Services: 10,000 Services of 2 endpoints each in one commit, one element changed, one Service
 * added, everything read back. In a network namespace of its own; needs root. `npm run bench -- netlink [services]`.
 */
import { spawnSync } from "node:child_process";
import { systemClock } from "@fairlead/host";
import { type IpAddress, ipAddress } from "@fairlead/types";
import * as netlink from "../src/index.ts";

const { nftRule } = netlink;
const inside = "FAIRLEAD_BENCH_INSIDE";
const table = "bench";
const tcp = 6;
const endpointsPerService = 2;
const rounds = 5;
const changes = 500;

if (process.env[inside] === undefined) {
  // The socket belongs to the namespace in which it is opened: begin again in one that is nobody else's.
  const args = ["--net", process.execPath, "--expose-gc", import.meta.filename, ...process.argv.slice(2)];
  const { status } = spawnSync("unshare", args, { stdio: "inherit", env: { ...process.env, [inside]: "1" } });
  process.exit(status ?? 1);
}

const services = Number(process.argv[2] ?? 10_000);
const serviceKey = netlink.concatenation(netlink.ipv4Address, netlink.inetProtocol, netlink.inetService);
const endpointKey = netlink.concatenation(netlink.ipv4Address, netlink.inetProtocol, netlink.inetService, netlink.mark);
const endpoint = netlink.concatenation(netlink.ipv4Address, netlink.inetService);
const client = new netlink.NftablesClient({
  conversation: new netlink.Conversation({
    transport: netlink.openKernelTransport({ family: netlink.NetlinkFamily.NETFILTER }),
    clock: systemClock,
  }),
});

const spread = (second: number, index: number): IpAddress =>
  ipAddress(`10.${second + (index >> 16)}.${(index >> 8) & 0xff}.${index & 0xff}`);

interface Elements {
  readonly services: netlink.NftElement[];
  readonly endpoints: netlink.NftElement[];
}

function elementsOf(first: number, count: number): Elements {
  const made: Elements = { services: [], endpoints: [] };
  for (let index = first; index < first + count; index++) {
    const address = spread(96, index);
    made.services.push({
      key: { value: netlink.encodeValue(serviceKey, [address, tcp, 80]) },
      data: nftRule.verdictData("goto", "two"),
    });
    for (let number = 0; number < endpointsPerService; number++) made.endpoints.push(endpointOf(index, number, 8080));
  }
  return made;
}

function endpointOf(service: number, number: number, port: number): netlink.NftElement {
  return {
    key: { value: netlink.encodeValue(endpointKey, [spread(96, service), tcp, 80, number]) },
    data: { value: netlink.encodeValue(endpoint, [spread(200, service), port + number]) },
  };
}

const transaction = (): netlink.NftablesTransaction => new netlink.NftablesTransaction({ family: "ip" });
const endpoints = { table, set: "endpoints" };
const rows: [what: string, p50: number, p99: number][] = [];

/** Milliseconds that each run took. */
async function measure(what: string, times: number, run: (round: number) => unknown): Promise<void> {
  const took: number[] = [];
  for (let round = 0; round < times; round++) {
    const begin = performance.now();
    await run(round);
    took.push(performance.now() - begin);
  }
  took.sort((a, b) => a - b);
  rows.push([what, took[times >> 1] ?? 0, took[Math.min(times - 1, Math.floor(times * 0.99))] ?? 0]);
}

const { packetField } = nftRule;
const loadKey = [
  nftRule.payload(packetField.ipDestination, 8),
  nftRule.meta("l4proto", 9),
  nftRule.payload(packetField.destinationPort, 10),
];
const translate = [
  nftRule.lookup("endpoints", 8, { destination: 8 }),
  nftRule.nat("dnat", "ip", { address: 8, port: 9 }),
];

let all: Elements = { services: [], endpoints: [] };
let cold = transaction();
const writer = new netlink.NetlinkWriter();
const coldTransaction = (): netlink.NftablesTransaction =>
  transaction()
    .addTable({ name: table })
    .addChain({ table, name: "two" })
    .addSet(netlink.verdictMap({ table, name: "services", key: serviceKey, id: 1 }))
    .addSet(netlink.dataMap({ table, name: "endpoints", key: endpointKey, data: endpoint, id: 2 }))
    .addElements({ table, set: "services" }, all.services)
    .addElements(endpoints, all.endpoints)
    // Reached from a hook: only then does the kernel look for loops through the map with every change of it.
    .addRule({ table, chain: "two", expressions: [...loadKey, nftRule.numgen("random", 2, 11), ...translate] })
    .addChain({ table, name: "output", type: "nat", hook: { number: netlink.NftHook.output, priority: -100 } })
    .addRule({ table, chain: "output", expressions: [...loadKey, nftRule.lookup("services", 8, { destination: 0 })] });

await measure("make the elements", rounds, () => {
  all = elementsOf(0, services);
  cold = coldTransaction();
});
await measure("write the messages", rounds, () => {
  writer.clear();
  cold.write(writer, 1);
});
const megabytes = (writer.length / 1e6).toFixed(1);
await measure("cold: write and commit", 1, () => client.commit(cold));
const warm: number[] = [];
for (let round = 0; round < rounds; round++) {
  await client.commit(transaction().deleteTable({ name: table }));
  globalThis.gc?.();
  const begin = performance.now();
  all = elementsOf(0, services);
  await client.commit(coldTransaction());
  warm.push(performance.now() - begin);
}
warm.sort((a, b) => a - b);
rows.push(["warm: make, write and commit", warm[rounds >> 1] ?? 0, warm.at(-1) ?? 0]);
await measure("swap one endpoint", changes, (round) => {
  const service = (round * 37) % services;
  const [before, after] = round < services ? [8080, 9090] : [9090, 8080];
  return client.commit(
    transaction()
      .deleteElements(endpoints, [endpointOf(service, 0, before)])
      .addElements(endpoints, [endpointOf(service, 0, after)]),
  );
});
await measure("add one Service", changes, (round) => {
  const one = elementsOf(services + round, 1);
  return client.commit(
    transaction().addElements({ table, set: "services" }, one.services).addElements(endpoints, one.endpoints),
  );
});
await measure("read all endpoints back", rounds, () => client.elements({ family: "ip", ...endpoints }));
await measure("read one endpoint back", changes, (round) =>
  client.element({ family: "ip", ...endpoints, key: endpointOf(round, 1, 0).key?.value ?? new Uint8Array() }),
);
await measure("delete everything", 1, () => client.commit(transaction().deleteTable({ name: table })));

process.stdout.write(`${services} Services, ${endpointsPerService} endpoints each, ${megabytes} MB of messages\n\n`);
process.stdout.write(`${"ms".padEnd(34)}${"p50".padStart(9)}${"p99".padStart(9)}\n`);
for (const [what, p50, p99] of rows) {
  process.stdout.write(`${what.padEnd(34)}${p50.toFixed(3).padStart(9)}${p99.toFixed(3).padStart(9)}\n`);
}
process.exit(0);
