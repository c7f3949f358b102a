/** What becomes of a new connection to an address of a Service: each way has a chain, and all Services that go it share the chain. */
import type { Picker } from "./spread.ts";

/**
 * `internal`: a cluster IP. `external`: an address of policy Cluster. `local`: an address of external policy Local, where pods and the node
 * itself take the `pod` way, which leads to the endpoints of all nodes. `reject`, `drop`: nobody is there to take it; the pods' way has its
 * own of these, as a map that leads to a chain which asks the same map would be a loop.
 */
export type HandlerKind = "internal" | "external" | "local" | "pod" | "reject" | "drop" | "pod-reject" | "pod-drop";

/** How an endpoint is found. */
export interface Choice {
  readonly picker: Picker;
  /** How many numbers there are to pick from. */
  readonly slots: number;
  /** Turns are counted for each Service by itself: the id of its list, which no other shares. */
  readonly ofGroup?: number;
  /** ClientIP affinity, in milliseconds. */
  readonly affinityMs?: number;
}

/** See the module. */
export interface Handler {
  readonly kind: HandlerKind;
  /** Only listed sources are let in. */
  readonly guarded?: boolean;
  /** Absent for `reject` and `drop`, and for `local` where this node has no endpoint. */
  readonly choice?: Choice;
}

/** Name of the handler's chain; equal handlers have equal names. */
export function chainName({ kind, guarded = false, choice }: Handler): string {
  const parts = [kind];
  const words: string[] = guarded ? ["guarded", ...parts] : parts;
  if (choice !== undefined) {
    words.push(choice.picker, String(choice.slots));
    if (choice.ofGroup !== undefined) words.push("of", choice.ofGroup.toString(16));
    if (choice.affinityMs !== undefined) words.push("sticky", String(choice.affinityMs));
  } else if (kind === "local") words.push("none");
  return words.join("-");
}
