/**
 * A machine of qemu: booted, listened to and ended. Its ports are sockets that qemu inherits, so nothing of them is left in the file
 * system; its kernel writes to the serial console, apart from what the command writes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex, Readable } from "node:stream";
import { GuestFailedError } from "./errors.ts";

/** What runs the guest's code: the processor, or qemu's translation of it. */
export type Accelerator = "kvm" | "tcg";

/** Characters of the console that are kept for an error. */
const keptConsole = 8_000;

const kernelArguments = [
  "console=ttyS0",
  "quiet",
  // A kernel that panics ends the machine.
  "panic=-1",
  // Nobody attacks this machine from within, and defences cost time.
  "mitigations=off",
  "nokaslr",
];

/** Names of the serial ports, in the order of qemu's descriptors from 3 on. The init scripts know them. */
const ports = ["control", "stdout", "stderr"] as const;

/** See the module. */
export interface MachineOptions {
  readonly accelerator: Accelerator;
  /** Files of the kernel and of the initramfs. */
  readonly image: string;
  readonly initramfs: string;
  /** The folder of the job: see `init/second.sh`. */
  readonly job: string;
  /** Folders of the host that the guest may write to. The n-th has the tag `folder<n>`. */
  readonly folders: readonly string[];
  readonly onStdout: (bytes: Buffer) => void;
  readonly onStderr: (bytes: Buffer) => void;
  /** What the guest's kernel says. */
  readonly onConsole?: (text: string) => void;
}

/** A machine that runs. */
export interface Machine {
  /** Settles when the command begins; rejects if the machine ends before. */
  readonly up: Promise<void>;
  /** The command's exit code; rejects with {@link GuestFailedError} if the machine ends without one. */
  readonly done: Promise<number>;
  /** Settles once nothing of the machine is left. */
  readonly ended: Promise<void>;
  /** Ends the machine at once. */
  kill(): void;
  /** The end of what the console showed. */
  console(): string;
}

/** Starts the machine; `program` is qemu's. */
export function startMachine(program: string, options: MachineOptions): Machine {
  // setpriv has the kernel end qemu should this process be ended by SIGKILL, and becomes qemu.
  const args = ["--pdeathsig", "KILL", "--", program, ...machineArguments(options)];
  const child = spawn("setpriv", args, { stdio: ["ignore", "pipe", "pipe", "pipe", "pipe", "pipe"] });
  const [control, stdout, stderr] = child.stdio.slice(3) as [Duplex, Duplex, Duplex];
  let shown = "";
  const show = (text: string): void => {
    shown = `${shown}${text}`.slice(-keptConsole);
    options.onConsole?.(text);
  };
  for (const stream of [child.stdout, child.stderr]) (stream as Readable).setEncoding("utf8").on("data", show);
  stdout.on("data", options.onStdout);
  stderr.on("data", options.onStderr);
  // A machine that is killed resets its sockets; that it has ended is seen by its exit.
  for (const each of [control, stdout, stderr]) each.on("error", () => undefined);

  const up = Promise.withResolvers<void>();
  const code = Promise.withResolvers<number>();
  let said = "";
  control.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    if (/^up$/m.test(said)) up.resolve();
    const exit = /^exit (\d+)$/m.exec(said)?.[1];
    if (exit !== undefined) code.resolve(Number(exit));
  });
  const ended = whenEnded(child).then((how) => {
    const failure = new GuestFailedError(`the guest ended (${how}) before its command did; its console:\n${shown}`);
    up.reject(failure);
    code.reject(failure);
  });
  // Whoever does not wait for one of them is not to be troubled by it.
  for (const promise of [up.promise, code.promise]) promise.catch(() => undefined);
  return { up: up.promise, done: code.promise, ended, kill: () => child.kill("SIGKILL"), console: () => shown };
}

/** Settles with how the process ended, once all that it wrote has been read. */
function whenEnded(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(signal ?? `code ${code}`));
  });
}

function machineArguments(options: MachineOptions): string[] {
  const { accelerator, image, initramfs, job, folders } = options;
  const lines: readonly (readonly string[])[] = [
    ["-accel", accelerator === "tcg" ? "tcg,thread=multi" : accelerator],
    ["-cpu", "max", "-smp", "2", "-m", "2048", "-nographic", "-nodefaults", "-serial", "stdio", "-no-reboot"],
    ["-kernel", image, "-initrd", initramfs, "-append", kernelArguments.join(" ")],
    shared("host", "/", "readonly=on,"),
    shared("job", job),
    ...folders.map((folder, index) => shared(`folder${index}`, folder)),
    ["-device", "virtio-serial-pci"],
    ...ports.map((name, index) => [
      "-chardev",
      `socket,id=${name},fd=${index + 3}`,
      "-device",
      `virtserialport,chardev=${name},name=${name}`,
    ]),
  ];
  return lines.flat();
}

function shared(tag: string, folder: string, more = ""): string[] {
  // A comma in a value is written twice.
  const path = folder.replaceAll(",", ",,");
  return ["-virtfs", `local,path=${path},mount_tag=${tag},security_model=none,${more}multidevs=remap`];
}
