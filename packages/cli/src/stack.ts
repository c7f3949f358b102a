/** What both ways to run the stack have in common. */
import type { DevFacts } from "./dev-file.ts";

/** A way to run the stack: embedded in this process, or a process a service. */
export interface Stack {
  /** Settles when all of it answers. Throws with all of it stopped again. */
  start(): Promise<DevFacts>;
  /** Settles when nothing of it is left, within 5 s. */
  stop(): Promise<void>;
  /** Settles when a part has ended that the stack cannot go on without; the value says which and why. */
  readonly broken: Promise<string>;
}

/** The address plan's node addresses and names; node-1 is the first. */
export function nodeList(
  count: number,
  nodeCidr: string,
): readonly { readonly name: string; readonly address: string }[] {
  const prefix = nodeCidr.slice(0, nodeCidr.lastIndexOf("."));
  return Array.from({ length: count }, (_, index) => ({
    name: `node-${index + 1}`,
    address: `${prefix}.${index + 1}`,
  }));
}

/** Name of the proxy-agent of a node, as the launcher shows it. */
export function agentName(node: string): string {
  return `proxy-agent ${node}`;
}
