/** What both ways to run the stack have in common. */
import { CodedError } from "@fairlead/types";
import type { NetworkPlace } from "../network/node-network.ts";
import type { NodePlace } from "../options/address-plan.ts";
import type { DevFacts, NodeFacts } from "../state/dev-file.ts";
import type { DnsPlace } from "./dns-place.ts";
import type { IngressPlace } from "./ingress-place.ts";

/** Where the doors of the stack are: found out before anything is started. */
export interface Places {
  readonly dns: DnsPlace;
  readonly ingress: IngressPlace;
  /** The network of nodes and pods, where they have their own. */
  readonly network?: NetworkPlace;
}

/** A way to run the stack: embedded in this process, or a process a service. */
export interface Stack {
  /** Settles when all of it answers. Throws with all of it stopped again; {@link StoppedError} if it was stopped meanwhile. */
  start(): Promise<DevFacts>;
  /** Settles when nothing of it is left, within {@link stopDeadlineMs}; also while it is starting. */
  stop(): Promise<void>;
}

/** All of the stack has stopped, or is killed, after this time, in milliseconds; the promise to the user is 5 s. */
export const stopDeadlineMs = 4_700;

/** Thrown by a start that a stop overtook. */
export class StoppedError extends CodedError {
  readonly code = "STOPPED";

  constructor() {
    super("it was stopped while it was starting");
    this.name = "StoppedError";
  }
}

/** Name of the proxy agent of a node, as the launcher shows it. */
export function agentName(node: string): string {
  return `proxy-agent ${node}`;
}

/** The nodes as `dev.json` has them. */
export function nodeFacts(nodes: readonly NodePlace[], { network }: Places): readonly NodeFacts[] {
  return nodes.map((node) =>
    network === undefined ? node : { ...node, networkNamespace: `${network.namespacePrefix}${node.name}` },
  );
}

/** What an error says. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
