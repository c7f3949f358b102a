/**
 * Network namespaces with a name: a file that keeps one alive until it is removed, whoever made it and whoever is in it. Made as
 * iproute2 makes them (`ip netns add`), so that `ip netns exec` finds those below {@link namedNamespaces}.
 */
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { libc } from "./libc.ts";
import { enterNewNetworkNamespace } from "./network-namespace.ts";
import { SystemCallError } from "./system-call-error.ts";

/** Where iproute2 looks for names. */
export const namedNamespaces = "/run/netns";

/** Flags of mount(2) and umount2(2). */
const MS_BIND = 4_096n;
const MS_REC = 16_384n;
const MS_SHARED = 1_048_576n;
const MNT_DETACH = 2;

/**
 * Makes a namespace, in which there is nothing but a loopback interface that is down, and the file that stands for it. Throws the error
 * of `open` (EEXIST) where there is such a file already, and SystemCallError without the privilege (CAP_SYS_ADMIN).
 */
export function makeNetworkNamespace(path: string): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  shareMounts(folder);
  closeSync(openSync(path, "wx", 0o444));
  try {
    const leave = enterNewNetworkNamespace();
    try {
      mount("/proc/thread-self/ns/net", path, MS_BIND);
    } finally {
      leave();
    }
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

/** Takes the name away, and with it the namespace once nothing else is in it; nothing happens where there is no such file. */
export function removeNetworkNamespace(path: string): void {
  const target = zeroTerminated(path);
  const result = libc().umount2(libc().addressOf(target), MNT_DETACH);
  // No file, or one that stands for no namespace any more, as after a boot.
  if (result < 0 && !["ENOENT", "EINVAL"].includes(codeOf(result))) throw new SystemCallError("umount2", -result);
  rmSync(path, { force: true });
}

/**
 * What is unmounted here has to go from other mount namespaces too, or they would keep each namespace whose name they happened to see
 * alive. So the folder is a mount of its own, and a shared one.
 */
function shareMounts(folder: string): void {
  const share = (): number => tryMount(undefined, folder, MS_SHARED | MS_REC);
  if (codeOf(share()) !== "EINVAL") return;
  mount(folder, folder, MS_BIND | MS_REC);
  passed(share());
}

function mount(source: string, target: string, flags: bigint): void {
  passed(tryMount(source, target, flags));
}

function tryMount(source: string | undefined, target: string, flags: bigint): number {
  const system = libc();
  // Kept until the call is over.
  const from = zeroTerminated(source ?? "");
  const to = zeroTerminated(target);
  const type = zeroTerminated("none");
  return system.mount(system.addressOf(from), system.addressOf(to), system.addressOf(type), flags);
}

function passed(result: number): void {
  if (result < 0) throw new SystemCallError("mount", -result);
}

/** The error's name; empty where there was none. */
function codeOf(result: number): string {
  return result < 0 ? new SystemCallError("mount", -result).code : "";
}

function zeroTerminated(text: string): Uint8Array {
  if (text.includes("\0")) throw new RangeError("a path holds no zero byte");
  return new Uint8Array(Buffer.from(`${text}\0`));
}
