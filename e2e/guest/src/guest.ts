/** Runs a command in a machine whose kernel is Debian's and whose files are the host's. See the README. */
import { mkdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programPath } from "@fairlead/testkit";
import { knownAccelerator, rememberAccelerator } from "./acceleration.ts";
import { guestKernel, kernelCache, scratchFolder } from "./debian-kernel.ts";
import { isStatic } from "./elf.ts";
import { GuestTimeLimitError, GuestUnavailableError } from "./errors.ts";
import { buildInitramfs } from "./initramfs.ts";
import { type Accelerator, type Machine, startMachine } from "./machine.ts";

/** Time in which a machine on the processor itself has to be up, in ms: it takes two seconds. */
const kvmLimitMs = 8_000;

/** Time for the command with the boot, in ms, unless the caller says otherwise. */
export const defaultTimeLimitMs = 600_000;

/** What to run, and what it is given. */
export interface GuestCommand {
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  /** Its working directory. */
  readonly cwd: string;
  /** Its environment. NODE_COMPILE_CACHE is given to it unless it is in here. */
  readonly env: Readonly<Record<string, string>>;
  /** Folders that it may write to, each at its own place; everything else of the host is only read. */
  readonly writable?: readonly string[];
  /** {@link defaultTimeLimitMs} unless told. */
  readonly timeLimitMs?: number;
  /** Ends the machine; {@link runInGuest} then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onStdout: (bytes: Buffer) => void;
  readonly onStderr: (bytes: Buffer) => void;
  /** What the guest's kernel says. */
  readonly onConsole?: (text: string) => void;
  /** Told what takes long. */
  readonly onProgress?: (message: string) => void;
}

/** Variables of this process that a command in the guest may want. */
const inheritedVariables = /^(?:PATH|HOME|LANG|CI|FAIRLEAD_.*)$/;

/** What a command in the guest takes over from this process' environment. */
export function guestEnvironment(): Record<string, string> {
  const own = Object.entries(process.env).filter(
    (entry): entry is [string, string] => inheritedVariables.test(entry[0]) && entry[1] !== undefined,
  );
  return Object.fromEntries(own);
}

/** Why this machine cannot run the guest; undefined if it can, as far as one can see without trying. */
export function whyNoGuest(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return "needs Linux on x86-64";
  const missing = ["qemu-system-x86_64", "busybox", "apt-get", "dpkg-deb", "setpriv"].filter(
    (program) => programPath(program) === undefined,
  );
  if (missing.length > 0) return missing.map((name) => `needs ${name} on PATH`).join(", ");
  if (!isStatic(programPath("busybox") ?? "")) return "needs a static busybox (Debian's busybox-static)";
  return undefined;
}

/**
 * Runs the command as root; returns its exit code. Throws {@link GuestUnavailableError} where this machine cannot, GuestTimeLimitError
 * when the time was over, and GuestFailedError when the machine ended without an answer. Nothing of the machine is left in any case.
 */
export async function runInGuest(options: GuestCommand): Promise<number> {
  const reason = whyNoGuest();
  if (reason !== undefined) throw new GuestUnavailableError(`this machine cannot run the kernel guest: ${reason}`);
  const { onProgress } = options;
  const kernel = await guestKernel(onProgress === undefined ? {} : { onProgress });
  const { archive, modules } = buildInitramfs(kernel, programPath("busybox") ?? "");
  const scratch = scratchFolder(kernelCache);
  try {
    const job = join(scratch, "job");
    mkdirSync(job);
    const initramfs = join(scratch, "initramfs");
    writeFileSync(initramfs, archive);
    // Compiled code is kept from one guest to the next: Node's programs start a quarter sooner.
    const compiled = join(kernelCache, "compiled");
    mkdirSync(compiled, { recursive: true });
    const folders = [...(options.writable ?? []), compiled].map((folder) => realpathSync(folder));
    writeFileSync(join(job, "modules"), `${modules.join("\n")}\n`);
    writeFileSync(join(job, "kept"), keptFolder(realpathSync(options.cwd)));
    writeFileSync(join(job, "folders"), folders.map((folder, index) => `folder${index} ${folder}\n`).join(""));
    const env = { NODE_COMPILE_CACHE: compiled, ...options.env };
    writeFileSync(join(job, "command"), scriptOf({ ...options, env }));
    const start = (accelerator: Accelerator): Machine =>
      startMachine(programPath("qemu-system-x86_64") ?? "", {
        ...options,
        accelerator,
        image: kernel.image,
        initramfs,
        job,
        folders,
      });
    return await withLimits(options, start);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Starts a machine and ends it whatever happens. */
async function withLimits(options: GuestCommand, start: (accelerator: Accelerator) => Machine): Promise<number> {
  const { timeLimitMs = defaultTimeLimitMs, signal } = options;
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => undefined);
  const over = setTimeout(() => {
    const seconds = Math.round(timeLimitMs / 1_000);
    stopped.reject(
      new GuestTimeLimitError(`${options.command.join(" ")} was ended in the guest: it took more than ${seconds} s`),
    );
  }, timeLimitMs);
  const onAbort = (): void => stopped.reject(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  let machine: Machine | undefined;
  try {
    signal?.throwIfAborted();
    machine = await fittingMachine(start, stopped.promise);
    const code = await Promise.race([machine.done, stopped.promise]);
    // It ends by itself, with all that it wrote.
    await Promise.race([machine.ended, stopped.promise]);
    return code;
  } finally {
    clearTimeout(over);
    signal?.removeEventListener("abort", onAbort);
    machine?.kill();
    await machine?.ended;
  }
}

/** A machine on the processor if that is possible, else one in software. */
async function fittingMachine(start: (accelerator: Accelerator) => Machine, stopped: Promise<never>): Promise<Machine> {
  const known = knownAccelerator(kernelCache);
  if (known !== "try-kvm") return start(known);
  const machine = start("kvm");
  const limit = Promise.withResolvers<false>();
  const timer = setTimeout(() => limit.resolve(false), kvmLimitMs);
  try {
    const up = machine.up.then(
      () => true,
      () => false,
    );
    const works = await Promise.race([up, limit.promise, stopped]);
    rememberAccelerator(kernelCache, works ? "kvm" : "tcg");
    if (works) return machine;
  } catch (error) {
    machine.kill();
    await machine.ended;
    throw error;
  } finally {
    clearTimeout(timer);
  }
  machine.kill();
  await machine.ended;
  return start("tcg");
}

/** Folders of this machine that begin empty in the guest. */
const emptied = ["/tmp", "/var/tmp", "/run", "/dev/shm"];

/** The one folder below an emptied one that the command needs all the same, as it runs there; empty where there is none. */
export function keptFolder(cwd: string): string {
  const above = emptied.find((folder) => cwd.startsWith(`${folder}/`));
  if (above === undefined) return "";
  const [first = ""] = cwd.slice(above.length + 1).split("/");
  return `${above}/${first}`;
}

/** The command as a shell script. */
function scriptOf({ command, cwd, env }: GuestCommand): string {
  const variables = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  return `cd ${quoted(cwd)} || exit 126\n${variables.join("")}exec ${command.map(quoted).join(" ")}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
