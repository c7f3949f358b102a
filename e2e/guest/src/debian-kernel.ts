/**
 * Debian's kernel and its modules, unpacked below the repository without being installed. What is there is complete: it is made under
 * another name and gets its own when it is done.
 */
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { GuestUnavailableError } from "./errors.ts";

/** Depends on the newest kernel of the release. The cloud flavour has no 9p. */
const metaPackage = "linux-image-amd64";

/** Folders of the modules that the guest may take something from: the others are 20 times as large. */
const keptFolders = ["arch", "crypto", "drivers/char", "drivers/net", "drivers/virtio", "fs", "lib", "net"];

/** Where kernels are kept between runs. */
export const kernelCache = resolve(import.meta.dirname, "../../../node_modules/.cache/guest");

/** A kernel that can be booted. */
export interface GuestKernel {
  /** As `uname -r` says it. */
  readonly release: string;
  /** The file to boot. */
  readonly image: string;
  /** The folder with `modules.dep`, below which the modules are. */
  readonly modules: string;
}

/** The kernel of the cache, the newest one; fetched where there is none. Throws {@link GuestUnavailableError}. */
export async function guestKernel(options: {
  readonly cache?: string;
  /** Told what takes long. */
  readonly onProgress?: (message: string) => void;
}): Promise<GuestKernel> {
  const { cache = kernelCache, onProgress = () => undefined } = options;
  return kernelOf(cache) ?? (await fetchKernel(cache, onProgress));
}

/** A folder of this process' own below the cache; those of processes that are gone are removed. The caller removes it. */
export function scratchFolder(cache: string): string {
  mkdirSync(cache, { recursive: true });
  for (const name of readdirSync(cache)) {
    const pid = /^process-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(cache, name), { recursive: true, force: true });
  }
  return mkdtempSync(join(cache, `process-${process.pid}-`));
}

function kernelOf(cache: string): GuestKernel | undefined {
  const names = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith("linux-")) : [];
  const name = names.sort(new Intl.Collator("en", { numeric: true }).compare).at(-1);
  if (name === undefined) return undefined;
  const release = name.slice("linux-".length);
  const image = ["vmlinux", "vmlinuz"].map((file) => join(cache, name, file)).find((file) => existsSync(file));
  if (image === undefined) return undefined;
  return { release, image, modules: join(cache, name, "lib/modules", release) };
}

async function fetchKernel(cache: string, onProgress: (message: string) => void): Promise<GuestKernel> {
  const scratch = scratchFolder(cache);
  try {
    const packageName = await kernelPackage();
    onProgress(`fetching Debian's ${packageName} (once; about 70 MB)`);
    await run("apt-get", ["download", "--quiet=2", packageName], scratch).catch((cause: unknown) => {
      const advice = "run apt-get update, which also needs the network, and try again";
      throw new GuestUnavailableError(`cannot download the kernel of the guest, ${packageName}: ${advice}`, { cause });
    });
    const file = readdirSync(scratch).find((name) => name.endsWith(".deb"));
    if (file === undefined) throw new GuestUnavailableError(`apt-get download ${packageName} left no package`);
    onProgress(`unpacking ${packageName}`);
    return await unpack({ scratch, cache, release: packageName.slice("linux-image-".length), file });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The package that the meta package stands for at present. */
async function kernelPackage(): Promise<string> {
  const depends = await run("apt-cache", ["depends", metaPackage]).catch((cause: unknown) => {
    throw new GuestUnavailableError("the guest's kernel comes with apt-get, which this machine has not", { cause });
  });
  const name = /Depends: (linux-image-\d\S+-amd64)$/m.exec(depends)?.[1];
  if (name === undefined) {
    throw new GuestUnavailableError(`apt knows of no ${metaPackage}: run apt-get update and try again (Debian only)`);
  }
  return name;
}

async function unpack(options: {
  readonly scratch: string;
  readonly cache: string;
  readonly release: string;
  readonly file: string;
}): Promise<GuestKernel> {
  const { scratch, cache, release, file } = options;
  const whole = join(scratch, "package");
  await run("dpkg-deb", ["-x", file, whole], scratch);
  const kept = join(scratch, "kept");
  const modules = join(kept, "lib/modules", release);
  const packed = join(whole, "lib/modules", release);
  for (const folder of keptFolders) {
    mkdirSync(join(modules, "kernel", folder, ".."), { recursive: true });
    renameSync(join(packed, "kernel", folder), join(modules, "kernel", folder));
  }
  for (const list of readdirSync(packed).filter((name) => name.startsWith("modules."))) {
    renameSync(join(packed, list), join(modules, list));
  }
  await takeImage(join(whole, "boot", `vmlinuz-${release}`), kept);
  // The package leaves the list of what needs what to its installation.
  await run("busybox", ["depmod", "-b", kept, release]);
  try {
    renameSync(kept, join(cache, `linux-${release}`));
  } catch (error) {
    // Another run may have been quicker; then there is one.
    if (!["EEXIST", "ENOTEMPTY"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
  const kernel = kernelOf(cache);
  if (kernel === undefined) throw new GuestUnavailableError(`${cache} has no kernel after all`);
  return kernel;
}

/**
 * Puts what is to be booted into a folder: the kernel itself, out of the file that unpacks itself (Documentation/x86/boot.rst), because
 * that takes four seconds in a machine of software; or that file, where this machine cannot unpack it.
 */
async function takeImage(file: string, folder: string): Promise<void> {
  const bytes = readFileSync(file);
  const start = (bytes.readUInt8(0x1f1) + 1) * 512 + bytes.readUInt32LE(0x248);
  // The last 4 bytes are the unpacked size.
  const packed = join(folder, "vmlinux.xz");
  writeFileSync(packed, bytes.subarray(start, start + bytes.readUInt32LE(0x24c) - 4));
  try {
    await run("xz", ["--decompress", "--quiet", packed]);
  } catch {
    rmSync(packed);
    renameSync(file, join(folder, "vmlinuz"));
  }
}

/** Runs a program to its end; what it wrote. Rejects with what it complained of. */
function run(command: string, args: readonly string[], cwd?: string): Promise<string> {
  const { promise, resolve: done, reject } = Promise.withResolvers<string>();
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C" },
    ...(cwd === undefined ? {} : { cwd }),
  });
  let output = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  child.once("error", reject);
  child.once("close", (code) => {
    if (code === 0) done(output);
    else reject(new Error(`${command} ${args.join(" ")} ended with ${code}: ${complaint.trim()}`));
  });
  return promise;
}
