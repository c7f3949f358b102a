/**
 * Whether the guest may run on the processor itself. /dev/kvm may be there and still not boot a guest, and then the machine stands still:
 * it is tried once, with a time limit, and what was found is kept until this machine is started anew.
 */
import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Accelerator } from "./machine.ts";

/** Changes with each start of this machine. */
const bootFile = "/proc/sys/kernel/random/boot_id";

/** What is known of the accelerators: which to use, or that it has to be tried. */
export type Finding = Accelerator | "try-kvm";

/** What was found out since this machine was started; `cache` is the folder where it is kept. */
export function knownAccelerator(cache: string): Finding {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return "tcg";
  }
  try {
    const { boot, accelerator } = JSON.parse(readFileSync(findingFile(cache), "utf8")) as Record<string, unknown>;
    if (boot === thisBoot() && (accelerator === "kvm" || accelerator === "tcg")) return accelerator;
  } catch {
    // Nothing was found out yet, or nothing that can be read.
  }
  return "try-kvm";
}

/** Keeps what was found out. */
export function rememberAccelerator(cache: string, accelerator: Accelerator): void {
  writeFileSync(findingFile(cache), `${JSON.stringify({ boot: thisBoot(), accelerator })}\n`);
}

function findingFile(cache: string): string {
  return join(cache, "accelerator.json");
}

function thisBoot(): string {
  return readFileSync(bootFile, "utf8").trim();
}
