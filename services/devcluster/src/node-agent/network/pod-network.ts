/** Where a pod is on the network, and how its programs are started there. */
import type { ChildProcess, SpawnOptions } from "node:child_process";

/** A program of a pod. */
export interface PodProgram {
  readonly argv: readonly [string, ...string[]];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Path of the pod's resolv.conf. */
  readonly resolvConf: string;
}

/** The network of one pod. */
export interface PodNetwork {
  /** Whether programs find the pod's resolv.conf at /etc/resolv.conf, and not the machine's. */
  readonly ownResolvConf: boolean;
  /**
   * Starts a program as `child_process.spawn` does, in the turn of the call; `options` are those that the program does not say. Throws
   * where it cannot be started, or the process emits `error`.
   */
  spawn(program: PodProgram, options: Pick<SpawnOptions, "detached" | "stdio">): ChildProcess;
  /** Takes it apart, once nothing of the pod runs. */
  detach(): Promise<void>;
}

/** A pod on its way onto the network. */
export interface PodAttachment {
  /** Name of its node. */
  readonly node: string;
  readonly address: string;
  /** It shares its node's network instead of having one of its own. */
  readonly hostNetwork: boolean;
}

/** The networks of all pods of these nodes. */
export interface PodNetworks {
  /** Removes what an earlier run left. Call it once nothing of that runs any more. */
  open(): Promise<void>;
  /** Rejects where the pod cannot have its network now; nothing of it is left then, and it may be tried again. */
  attach(pod: PodAttachment): Promise<PodNetwork>;
  /** Removes whatever is left. */
  close(): Promise<void>;
}
