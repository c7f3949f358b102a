/**
 * What a new connection to a Service takes, from a pod to a pod by way of their node, in namespaces of this process' own. Prints one line of
 * JSON: p50 and p99 of connect() in microseconds with the Service among as many others, and of the same without a Service.
 *
 *     node first-packet.ts <services>
 */
import { once } from "node:events";
import { silentLogger, systemClock } from "@fairlead/host";
import { openLab, type LabAt } from "@fairlead/netlab";
import { cidr, nodeName } from "@fairlead/types";
import { NftablesPlane } from "../../src/nftables/nftables-plane.ts";
import { adding, endpointAt, entryOf, frontendAt } from "../../src/testing.ts";
import { sampleService } from "./sample-services.ts";

const services = Number(process.argv[2] ?? 100);
const rounds = 4_000;
const warmUp = 1_000;

await using lab = await openLab({ nodes: 1, podsPerNode: 2, outsiders: 0 });
const [client, server] = [lab.pod("a"), lab.pod("b")];
await server.serve({ port: 8_080 });
const plane = new NftablesPlane({
  node: nodeName("node-1"),
  namespace: lab.node(1).namespace,
  observer: { serving: () => undefined, problem: () => undefined },
  clock: systemClock,
  log: silentLogger,
  localTraffic: { kind: "ranges", ranges: [cidr("10.244.0.0/16")] },
  masqueradeBit: 14,
  masqueradeAll: false,
  trafficCounters: true,
  verifyIntervalMs: 3_600_000,
});
await plane.start();
const direct: LabAt = { address: server.addresses.IPv4, port: 8_080 };
const service: LabAt = { address: "10.111.255.1", port: 80 };
await plane.apply(
  adding(
    entryOf({ name: "measured", frontends: [frontendAt(service)], endpoints: [endpointAt(direct)] }),
    ...Array.from({ length: services - 1 }, (_, number) => sampleService(number, 2)),
  ),
);
globalThis.gc?.();

async function connects(at: LabAt): Promise<{ readonly p50: number; readonly p99: number }> {
  const took: number[] = [];
  for (let round = 0; round < warmUp + rounds; round++) {
    const socket = client.stream("IPv4");
    const begin = process.hrtime.bigint();
    socket.connect(at.port, at.address);
    await once(socket, "connect");
    const micros = Number(process.hrtime.bigint() - begin) / 1_000;
    socket.resetAndDestroy();
    if (round >= warmUp) took.push(micros);
  }
  took.sort((a, b) => a - b);
  return { p50: took[rounds >> 1] ?? 0, p99: took[Math.floor(rounds * 0.99)] ?? 0 };
}

const result = { service: await connects(service), direct: await connects(direct) };
await plane.stop();
process.stdout.write(`${JSON.stringify(result)}\n`);
