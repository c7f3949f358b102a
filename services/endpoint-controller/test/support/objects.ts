/** Objects of the API as an API server would give them, with what a test wants to differ. */
import type { Endpoints, EndpointSlice, Node, Pod, Service } from "@fairlead/kube";

export const createdAt = "2026-01-01T00:00:00Z";

/** What tests choose of a pod. */
export interface PodOptions {
  readonly name?: string;
  readonly uid?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  /** Addresses; the first is `podIP`, too. */
  readonly ips?: readonly string[];
  readonly phase?: string;
  readonly ready?: boolean;
  readonly readyAt?: string;
  readonly terminating?: boolean;
  /** `undefined` leaves it out. */
  readonly node?: string | undefined;
  readonly hostname?: string;
  readonly subdomain?: string;
  /** Named ports of its one container. */
  readonly ports?: Record<string, number>;
}

/** A ready pod on node-1, selected by {@link service}. */
export function pod(options: PodOptions = {}): Pod {
  const { name = "pod-1", ips = ["10.0.0.1"], ready = true, hostname, subdomain } = options;
  const nodeName = "node" in options ? options.node : "node-1";
  const ports = Object.entries(options.ports ?? {}).map(([port, containerPort]) => ({ name: port, containerPort }));
  return {
    metadata: {
      namespace: "shop",
      name,
      uid: options.uid ?? `uid-${name}`,
      labels: options.labels ?? { app: "web" },
      creationTimestamp: createdAt,
      ...(options.annotations && { annotations: options.annotations }),
      ...(options.terminating === true && { deletionTimestamp: createdAt }),
    },
    spec: {
      containers: [{ name: "app", ports }],
      ...(nodeName !== undefined && { nodeName }),
      ...(hostname !== undefined && { hostname }),
      ...(subdomain !== undefined && { subdomain }),
    },
    status: {
      phase: options.phase ?? "Running",
      conditions: [
        { type: "Ready", status: ready ? "True" : "False", lastTransitionTime: options.readyAt ?? createdAt },
      ],
      ...(ips[0] !== undefined && { podIP: ips[0] }),
      podIPs: ips.map((ip) => ({ ip })),
    },
  };
}

/** `count` ready pods with addresses of their own. */
export function pods(count: number, options: PodOptions = {}): Pod[] {
  return Array.from({ length: count }, (_, index) =>
    pod({ name: `pod-${index}`, ips: [`10.${Math.floor(index / 250) + 1}.0.${(index % 250) + 1}`], ...options }),
  );
}

/** A Service with one port that selects {@link pod}s. */
export function service(
  spec: NonNullable<Service["spec"]> = {},
  metadata: NonNullable<Service["metadata"]> = {},
): Service {
  return {
    metadata: { namespace: "shop", name: "web", uid: "uid-web", creationTimestamp: createdAt, ...metadata },
    spec: {
      type: "ClusterIP",
      clusterIP: "10.96.0.1",
      ipFamilies: ["IPv4"],
      selector: { app: "web" },
      ports: [{ port: 80, targetPort: 8080, protocol: "TCP" }],
      ...spec,
    },
  };
}

export function node(name = "node-1", zone?: string): Node {
  return {
    metadata: { name, uid: `uid-${name}`, labels: zone === undefined ? {} : { "topology.kubernetes.io/zone": zone } },
  };
}

/** Looks every node up, in a zone of its own where one is given. */
export function nodes(
  zones: Record<string, string | undefined> = { "node-1": undefined },
): (name: string) => Node | undefined {
  return (name) => (name in zones ? node(name, zones[name]) : undefined);
}

export function endpoints(
  subsets: NonNullable<Endpoints["subsets"]>,
  metadata: NonNullable<Endpoints["metadata"]> = {},
): Endpoints {
  return { metadata: { namespace: "shop", name: "web", uid: "uid-endpoints", ...metadata }, subsets };
}

let versions = 0;

/** What an API server makes of a slice that it is given. */
export function stored(slice: EndpointSlice): EndpointSlice {
  versions += 1;
  const {
    generateName = "",
    name = `${generateName}${versions}`,
    uid = `uid-slice-${versions}`,
    ...metadata
  } = slice.metadata ?? {};
  return { ...slice, metadata: { ...metadata, name, uid, resourceVersion: `${versions}` } };
}
