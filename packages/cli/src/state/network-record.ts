/** `<state-dir>/network.json`: that there is something of a stack in the kernel, for the next launcher in case this one is killed. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Write it before anything is made. `names` are for people who look for what there is. */
export function noteNetwork(stateDir: string, names: object): void {
  writeFileSync(path(stateDir), `${JSON.stringify(names, null, 2)}\n`, { mode: 0o600 });
}

/** Whether an earlier run may have left something. */
export function isNetworkNoted(stateDir: string): boolean {
  return existsSync(path(stateDir));
}

/** Nothing of it is left. */
export function forgetNetwork(stateDir: string): void {
  rmSync(path(stateDir), { force: true });
}

function path(stateDir: string): string {
  return join(stateDir, "network.json");
}
