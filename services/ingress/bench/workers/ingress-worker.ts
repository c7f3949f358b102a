/** The data plane alone, with one route to the endpoint given: `ingress-worker.ts LISTEN ADDRESS PORT [LISTEN-TLS KEY CERT]`. */
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { createMetrics, silentLogger, systemClock, systemRandom } from "@fairlead/host";
import { FeedView } from "@fairlead/bus";
import { feedKeyOf, ipAddress, port } from "@fairlead/types";
import type { FeedValue } from "@fairlead/types";
import { IngressMetrics } from "../../src/ingress-metrics.ts";
import { planRoutes } from "../../src/plan/planner.ts";
import { Gateway } from "../../src/proxy/gateway.ts";
import { Listeners } from "../../src/proxy/listeners.ts";
import { UpstreamSet } from "../../src/proxy/upstreams.ts";

const [listen = "", address = "", number = "", listenTls = "127.0.0.1:0", key, cert] = process.argv.slice(2);
const context =
  key === undefined || cert === undefined
    ? undefined
    : createSecureContext({ key: readFileSync(key), cert: readFileSync(cert) });
const values: FeedValue[] = [
  {
    kind: "service",
    service: {
      namespace: "default",
      name: "web",
      uid: "web",
      type: "ClusterIP",
      headless: false,
      clusterIPs: [],
      ipFamilies: ["IPv4"],
      ports: [{ name: "", protocol: "TCP", port: port(80) }],
      externalIPs: [],
      loadBalancerAddresses: [],
      loadBalancerSourceRanges: [],
      sessionAffinity: { kind: "None" },
      internalTrafficPolicy: "Cluster",
      externalTrafficPolicy: "Cluster",
      publishNotReadyAddresses: false,
    },
  },
  {
    kind: "slice",
    slice: {
      namespace: "default",
      name: "web",
      service: "web",
      family: "IPv4",
      headless: false,
      ports: [{ name: "", protocol: "TCP", port: port(Number(number)) }],
      endpoints: [{ addresses: [ipAddress(address)], ready: true, serving: true, terminating: false, weight: 1 }],
    },
  },
];
const view = new FeedView();
view.apply({
  changes: values.map((value) => ({ v: 1, epoch: "e", seq: 1, at: 0, op: "put", key: feedKeyOf(value), value })),
});
const plan = planRoutes({
  ingressClass: "fairlead",
  controllerName: "c",
  classes: [{ metadata: { name: "fairlead" }, spec: { controller: "c" } }],
  ingresses: [
    {
      metadata: { namespace: "default", name: "web" },
      spec: {
        ingressClassName: "fairlead",
        rules: [
          {
            http: {
              paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "web", port: { number: 80 } } } }],
            },
          },
        ],
      },
    },
  ],
});
const upstreams = new UpstreamSet({ random: systemRandom, scheduler: "rr" });
upstreams.prepare(plan.backends, view);
const gateway = new Gateway({
  upstreams,
  metrics: new IngressMetrics(createMetrics()),
  clock: systemClock,
  random: systemRandom,
  log: silentLogger,
  settings: {
    connectTimeoutMs: 5_000,
    readTimeoutMs: 60_000,
    sendTimeoutMs: 60_000,
    maxBodyBytes: 1_048_576,
    sslRedirect: true,
    httpsPort: () => 443,
    isTrusted: () => false,
  },
});
gateway.table = plan.table;
await new Listeners({
  httpAddress: listen,
  httpsAddress: listenTls,
  gateway,
  certificate: () => context,
  drainMs: 0,
  clock: systemClock,
  log: silentLogger,
}).start();
