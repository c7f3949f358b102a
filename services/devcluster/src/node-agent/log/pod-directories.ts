/** Where a pod's files lie: `<state>/pods/<namespace>_<name>_<uid>/<container>/{scratch/,<incarnation>.log}`. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { LOG_INCARNATIONS } from "../limits.ts";

/** Names one pod for good: a pod that was made again under the same name has another uid. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** The files of all pods under one state directory. */
export class PodDirectories {
  readonly root: string;

  constructor(options: { stateDir: string }) {
    this.root = join(options.stateDir, "pods");
  }

  /** The pod's own directory. */
  pod(pod: PodIdentity): string {
    // Kubernetes' own spelling of /var/log/pods; neither part may hold an underscore.
    return join(this.root, `${pod.namespace}_${pod.name}_${pod.uid}`);
  }

  /** The log of one incarnation of a container. */
  logFile(pod: PodIdentity, container: string, incarnation: number): string {
    return join(this.pod(pod), container, `${incarnation}.log`);
  }

  /** Makes room for a new incarnation: an empty scratch directory (its path is returned), and only one older log. */
  prepare(pod: PodIdentity, container: string, incarnation: number): string {
    const directory = join(this.pod(pod), container);
    const scratch = join(directory, "scratch");
    // A restarted container begins with a fresh file system.
    rmSync(scratch, { recursive: true, force: true });
    mkdirSync(scratch, { recursive: true });
    for (const name of readdirSync(directory)) {
      const log = /^(\d+)\.log/.exec(name);
      if (log && Number(log[1]) <= incarnation - LOG_INCARNATIONS) rmSync(join(directory, name), { force: true });
    }
    return scratch;
  }

  /** Writes the pod's resolv.conf where it differs; its containers share it. */
  writeResolvConf(pod: PodIdentity, text: string): { readonly path: string; readonly changed: boolean } {
    const path = join(this.pod(pod), "resolv.conf");
    if (readIfThere(path) === text) return { path, changed: false };
    mkdirSync(this.pod(pod), { recursive: true });
    writeFileSync(path, text);
    return { path, changed: true };
  }

  /** Removes all of a pod. */
  async remove(pod: PodIdentity): Promise<void> {
    await rm(this.pod(pod), { recursive: true, force: true });
  }

  /** Removes the directories of pods that are not among these. */
  keepOnly(pods: readonly PodIdentity[]): void {
    const wanted = new Set(pods.map((pod) => this.pod(pod)));
    mkdirSync(this.root, { recursive: true });
    for (const name of readdirSync(this.root)) {
      const path = join(this.root, name);
      if (!wanted.has(path)) rmSync(path, { recursive: true, force: true });
    }
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not there yet, or not to be read: it is written anew.
    return undefined;
  }
}
