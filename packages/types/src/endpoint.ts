/** Endpoints and the slices that carry them: EndpointSlice without what only the API needs. */
import type { NodeName } from "./identity.ts";
import type { IpAddress, IpFamily, Port, Protocol } from "./net.ts";

/** One backend of a Service. Slices list it once for every group of ports. */
export interface Endpoint {
  /** At least one address, all of the slice's family; traffic goes to the first. */
  readonly addresses: readonly IpAddress[];
  /** Takes new connections: serving and not terminating, or published while not ready. */
  readonly ready: boolean;
  /** Passes its readiness check, terminating or not. */
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly nodeName?: NodeName;
  readonly zone?: string;
  /** Set where the pod asked for a name of its own under this Service. */
  readonly hostname?: string;
  /** Topology hints: zones and nodes whose traffic should prefer this endpoint. */
  readonly hints?: { readonly zones: readonly string[]; readonly nodes: readonly NodeName[] };
  readonly target?: { readonly kind: string; readonly namespace: string; readonly name: string; readonly uid: string };
  /** Annotation `fairlead.dev/weight` of the pod, 0 to 65535; 1 where it has none. 0 takes no new connection. */
  readonly weight: number;
}

/** A port as resolved for every endpoint of one slice; `port` is absent where the slice names none. */
export interface SlicePort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port?: Port;
  readonly appProtocol?: string;
}

/** A part of a Service's endpoints: those of one family that resolve the ports alike. */
export interface EndpointSlice {
  readonly namespace: string;
  readonly name: string;
  /** Name of the Service it belongs to. */
  readonly service: string;
  readonly family: IpFamily;
  /** Label `service.kubernetes.io/headless`: proxies skip it. */
  readonly headless: boolean;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly Endpoint[];
}
