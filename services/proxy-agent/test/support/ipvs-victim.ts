/** A process with the ipvs plane, in the network namespace in which it is started, that changes everything all the time until it is killed. */
import { silentLogger, systemClock } from "@fairlead/host";
import { thisNetworkNamespace } from "@fairlead/sockets";
import { nodeName } from "@fairlead/types";
import { IpvsPlane } from "../../src/ipvs/ipvs-plane.ts";
import type { ServicePortEntry } from "../../src/plan/entry.ts";
import { endpointAt, entryOf, frontendAt } from "../../src/testing/entries.ts";

const services = 20;
const [nodeAddress = "10.100.0.1"] = process.argv.slice(2);

/** Service ports that come and go, each with a cluster IP and a node port. */
function entryAt(number: number, endpoints: number): ServicePortEntry {
  return entryOf({
    name: `victim-${number}`,
    protocol: number % 2 === 0 ? "TCP" : "UDP",
    frontends: [
      frontendAt({ address: `10.96.50.${number}`, port: 80 }),
      frontendAt({ address: nodeAddress, port: 31_000 + number }, { kind: "NodePort", policy: "Local" }),
    ],
    endpoints: Array.from({ length: endpoints }, (_, last) =>
      endpointAt({ address: `10.244.9.${last + 1}`, port: 80 }),
    ),
  });
}

const plane = new IpvsPlane({
  node: nodeName("node-1"),
  namespace: thisNetworkNamespace,
  observer: { serving: () => undefined, problem: () => undefined },
  clock: systemClock,
  log: silentLogger,
  localTraffic: { kind: "none" },
  masqueradeBit: 14,
  masqueradeAll: false,
  trafficCounters: true,
  verifyIntervalMs: 3_600_000,
  strictArp: false,
  excludeCidrs: [],
  drainTimeoutMs: 600_000,
});
await plane.start();
let held = new Map<number, ServicePortEntry>();
for (let round = 0; ; round++) {
  // A third comes, a third goes, a third changes, each time others.
  const next = new Map<number, ServicePortEntry>();
  for (let number = 1; number <= services; number++) {
    if ((number + round) % 3 !== 0) next.set(number, entryAt(number, 1 + ((number + round) % 4)));
  }
  await plane.apply({
    added: [...next].filter(([number]) => !held.has(number)).map(([, entry]) => entry),
    updated: [...next].flatMap(([number, after]) => {
      const before = held.get(number);
      return before === undefined ? [] : [{ before, after }];
    }),
    removed: [...held].filter(([number]) => !next.has(number)).map(([, entry]) => entry),
  });
  held = next;
  if (round === 0) process.stdout.write("at work\n");
  await new Promise((resolve) => setImmediate(resolve));
}
