/** `<state-dir>/dev.json`: where everything of a running stack is, for scripts and tests. */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cidr } from "@fairlead/types";
import type { PlaneName } from "../options/address-plan.ts";

/** A node. */
export interface NodeFacts {
  readonly name: string;
  readonly address: string;
  /** Path of its network namespace, where it has one. */
  readonly networkNamespace?: string;
}

/** Facts about a running stack. `ingress` are URLs. */
export interface DevFacts {
  readonly kubeconfig: string;
  readonly api: string;
  readonly dns: { readonly address: string; readonly port: number };
  readonly ingress: { readonly http: string; readonly https: string };
  readonly plane: PlaneName;
  readonly nodes: readonly NodeFacts[];
  readonly lbPool: Cidr;
  /** URL of the metrics of each service. */
  readonly metrics: Readonly<Record<string, string>>;
}

/** Writes the file whole: a reader sees all of it or none. */
export function writeDevFile(stateDir: string, facts: DevFacts): void {
  const path = devFilePath(stateDir);
  writeFileSync(`${path}.new`, `${JSON.stringify(facts, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Takes the file away: nothing that it says holds any more. */
export function removeDevFile(stateDir: string): void {
  rmSync(devFilePath(stateDir), { force: true });
}

function devFilePath(stateDir: string): string {
  return join(stateDir, "dev.json");
}
