/** A name server with as many Services as told, for the benchmark. Writes its port to stdout. */
import { createMemoryFeed } from "@fairlead/bus";
import { silentLogger, systemClock, systemRandom } from "@fairlead/host";
import { feedKeyOf, ipAddress, port } from "@fairlead/types";
import type { FeedKey, FeedValue, Service } from "@fairlead/types";
import { composeDns } from "../../src/compose.ts";
import { readDnsConfig } from "../../src/config.ts";

const count = Number(process.argv[2] ?? 5_000);

function service(index: number): Service {
  return {
    namespace: `ns-${index % 50}`,
    name: `svc-${index}`,
    uid: `uid-${index}`,
    type: "ClusterIP",
    headless: false,
    clusterIPs: [ipAddress(`10.96.${index >> 8}.${index & 255}`)],
    ipFamilies: ["IPv4"],
    ports: [{ name: "http", protocol: "TCP", port: port(80) }],
    externalIPs: [],
    loadBalancerAddresses: [],
    loadBalancerSourceRanges: [],
    sessionAffinity: { kind: "None" },
    internalTrafficPolicy: "Cluster",
    externalTrafficPolicy: "Cluster",
    publishNotReadyAddresses: false,
  };
}

const state = new Map<FeedKey, FeedValue>();
for (let index = 0; index < count; index++) {
  const value: FeedValue = { kind: "service", service: service(index) };
  state.set(feedKeyOf(value), value);
}
const memory = createMemoryFeed({ clock: systemClock });
await memory.publisher().takeOver(state);
const argv = ["--listen", "127.0.0.1:0", "--resolv-conf", "/dev/null", "--health-address", "127.0.0.1:0"];
const config = readDnsConfig({ argv: [...argv, "--ready-address", "none", "--metrics-address", "none"], env: {} });
const dns = composeDns(config, { feed: memory.feed, log: silentLogger, clock: systemClock, random: systemRandom });
await dns.start();
process.on("SIGTERM", () => void dns.stop().then(() => process.exit(0)));
process.stdout.write(`${dns.port}\n`);
