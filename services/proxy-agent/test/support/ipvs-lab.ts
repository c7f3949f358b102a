/** A lab with the ipvs plane on its first node, and servers in its pods, for what only this plane does. */
import { silentLogger, systemClock } from "@fairlead/host";
import type { Lab, LabServer } from "@fairlead/netlab";
import { labPlan } from "@fairlead/netlab";
import type { Cidr, NodeName } from "@fairlead/types";
import { IpvsPlane } from "../../src/ipvs/ipvs-plane.ts";
import type { PlaneEndpoint, ServicePortEntry } from "../../src/plan/entry.ts";
import type { PlaneObserver } from "../../src/plane.ts";
import { endpointAt, entryOf, frontendAt, RecordingObserver } from "../../src/testing.ts";

/** Port of the servers. */
export const serverPort = 8080;

/** Servers that are drained may take this long, in ms; no test waits for it. */
const drainTimeoutMs = 600_000;

/** A plane for a node of the lab. */
export function planeIn(
  lab: Lab,
  options: Partial<ConstructorParameters<typeof IpvsPlane>[0]> & { readonly observer?: PlaneObserver } = {},
): IpvsPlane {
  return new IpvsPlane({
    node: "node-1" as NodeName,
    namespace: lab.node(1).namespace,
    observer: new RecordingObserver(),
    clock: systemClock,
    log: silentLogger,
    localTraffic: { kind: "ranges", ranges: [labPlan.ranges.IPv4.pods, labPlan.ranges.IPv6.pods] as readonly Cidr[] },
    masqueradeBit: 14,
    masqueradeAll: false,
    trafficCounters: true,
    // Tests say themselves when.
    verifyIntervalMs: 3_600_000,
    strictArp: false,
    excludeCidrs: [],
    drainTimeoutMs,
    ...options,
  });
}

/** Serves in pods; each says the pod's letter. */
export function serveIn(
  lab: Lab,
  pods: readonly string[],
  protocol: "TCP" | "UDP" | "SCTP" = "TCP",
): Promise<LabServer[]> {
  return Promise.all(pods.map((pod) => lab.pod(pod).serve({ port: serverPort, name: pod, protocol })));
}

/** Pods as endpoints. */
export function endpointsIn(
  lab: Lab,
  pods: readonly string[] | Readonly<Record<string, number>>,
  family: "IPv4" | "IPv6" = "IPv4",
): readonly PlaneEndpoint[] {
  const weights = Array.isArray(pods) ? pods.map((pod) => [pod, 1] as const) : Object.entries(pods);
  return weights.map(([pod, weight]) => ({
    ...endpointAt({ address: lab.pod(pod).addresses[family], port: serverPort }, weight),
    node: `node-${lab.nodeOf(pod)}` as NodeName,
  }));
}

/** A Service with these cluster IPs at port 80. */
export function webOf(
  addresses: readonly string[],
  endpoints: readonly PlaneEndpoint[],
  more: Partial<Parameters<typeof entryOf>[0]> = {},
): ServicePortEntry {
  return entryOf({
    name: "web",
    frontends: addresses.map((address) => frontendAt({ address, port: 80 })),
    endpoints,
    ...more,
  });
}
