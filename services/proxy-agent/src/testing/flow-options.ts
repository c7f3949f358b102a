/** What the suite of packet flows is told of a plane. */
import type { Lab } from "@fairlead/netlab";
import type { Protocol, IpFamily } from "@fairlead/types";
import type { LocalTraffic } from "../kernel/kernel-plane-options.ts";
import type { FrontendKind, ServicePortEntry } from "../plan/entry.ts";
import type { Plane, PlaneObserver } from "../plane.ts";
import type { Cell, FlowClient, FlowRow } from "./flow-table.ts";

/** How a plane is to be set up. */
export interface FlowPlaneOptions {
  readonly localTraffic: LocalTraffic;
  readonly masqueradeAll: boolean;
}

/** Makes a plane for node-1 of the lab; the suite starts and ends it. */
export type MakeFlowPlane = (lab: Lab, observer: PlaneObserver, options: FlowPlaneOptions) => Promise<Plane>;

/** One question: this client asks at an address of this kind. */
export interface FlowQuestion {
  readonly kind: FrontendKind;
  readonly policy: FlowRow["policy"];
  readonly family: IpFamily;
  readonly protocol: Protocol;
  readonly client: FlowClient | "outside-2";
  readonly entry: ServicePortEntry;
  readonly at: { readonly address: string; readonly port: number };
  /** `source ranges` where the client is outside those of the address. */
  readonly refusedBy?: "source ranges";
  /** What kube-proxy would do with traffic of policy Local if it did not lead pods and nodes to the endpoints of all nodes. */
  readonly withoutShortCircuit?: Cell;
}

/** Something that a plane does otherwise than kube-proxy. */
export interface FlowDeviation {
  /** What it does instead and why, in words; docs/packet-flows.md has it. */
  readonly title: string;
  /** What the client meets instead of `expected`; undefined where it meets that. Deviations are asked one after the other. */
  readonly instead: (question: FlowQuestion, expected: Cell) => Cell | undefined;
  /** The reason of the problem that the observer has to be told of such an address; absent where the plane need not say it. */
  readonly event?: string;
}

/** Promises beside the table that a plane may not be able to keep; each says what it does instead. */
export interface FlowLimits {
  /** ClientIP affinity holds for each address of a Service port by itself. */
  readonly affinityPerAddress?: boolean;
  /** Connections are spread by weight only where the Service asks for a scheduler that does. */
  readonly weightsNeedScheduler?: boolean;
  /** Affinity lasts longer than was asked for. */
  readonly affinityOutlastsItsTime?: boolean;
  /** A connection to an endpoint breaks when the endpoint has left every list. */
  readonly connectionsEndWithTheirEndpoint?: boolean;
}

/** See the module. */
export interface FlowSubject {
  readonly make: MakeFlowPlane;
  readonly deviations?: readonly FlowDeviation[];
  readonly limits?: FlowLimits;
  /** It opens its sockets where this thread is: the thread is on node-1 for the whole suite. */
  readonly worksInThread?: boolean;
  /** It listens at Service addresses, which node-1 has to have. */
  readonly needsAddresses?: boolean;
  /** It programs the kernel: `nft` is asked to list after every change, and what others have there is to stay as it is. */
  readonly inKernel?: boolean;
  /** It tells traffic of pods from other traffic, by each of the ways of `LocalTraffic`. */
  readonly detectsLocalTraffic?: boolean;
  /** Silence after which packets count as dropped, in ms; longer in a slow guest. */
  readonly patienceMs?: number;
  /** Questions that are asked at a time; fewer in a slow guest. */
  readonly questionsAtATime?: number;
}
