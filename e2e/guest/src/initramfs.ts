/** The guest's first files: busybox, the modules and the two scripts of `init/`. Small enough to be made for each run. */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { cpioArchive, type CpioEntry } from "./cpio.ts";
import type { GuestKernel } from "./debian-kernel.ts";
import { chooseModules, parseModuleFiles } from "./modules.ts";

const init = join(import.meta.dirname, "../init");

/** Lists of `depmod` that busybox' modprobe reads. */
const moduleLists = ["modules.dep", "modules.alias", "modules.symbols"];

/** See the module. */
export interface Initramfs {
  readonly archive: Buffer;
  /** Modules to be loaded before the command runs. */
  readonly modules: readonly string[];
}

/** Makes the archive; `busybox` is the file of a static one. */
export function buildInitramfs(kernel: GuestKernel, busybox: string): Initramfs {
  const lists = new Map(moduleLists.map((name) => [name, readFileSync(join(kernel.modules, name), "utf8")] as const));
  const { loaded, files } = chooseModules(parseModuleFiles(lists.get("modules.dep") ?? ""));
  const known = new Set(files);
  const modules = `lib/modules/${kernel.release}`;
  const entries: CpioEntry[] = [
    { name: "bin/busybox", mode: 0o755, content: readFileSync(busybox) },
    { name: "init", mode: 0o755, content: readFileSync(join(init, "first.sh")) },
    // No interface that nobody asked for.
    { name: "etc/modprobe.d/guest.conf", mode: 0o644, content: Buffer.from("options dummy numdummies=0\n") },
    { name: "second.sh", mode: 0o755, content: readFileSync(join(init, "second.sh")) },
    ...files.map((file) => ({
      name: `${modules}/${file}`,
      mode: 0o644,
      content: readFileSync(join(kernel.modules, file)),
    })),
    ...[...lists].map(([name, text]) => ({
      name: `${modules}/${name}`,
      mode: 0o644,
      content: Buffer.from(linesAbout(name, text, known)),
    })),
  ];
  const folders = new Set(["dev", "proc", "sys", "host", ...entries.flatMap(({ name }) => foldersOf(name))]);
  const made = [...folders].sort().map((name) => ({ name, mode: 0o755 }));
  return { archive: cpioArchive([...made, ...entries]), modules: loaded };
}

/** The lines of a list that are about modules which are there: busybox reads all of it for each module that it loads. */
function linesAbout(list: string, text: string, files: ReadonlySet<string>): string {
  const names = new Set([...files].map((file) => basename(file, ".ko").replaceAll("-", "_")));
  const about = (line: string): boolean =>
    list === "modules.dep"
      ? files.has(line.slice(0, line.indexOf(":")))
      : names.has(line.slice(line.lastIndexOf(" ") + 1));
  return `${text.split("\n").filter(about).join("\n")}\n`;
}

function foldersOf(name: string): string[] {
  const folder = dirname(name);
  return folder === "." ? [] : [...foldersOf(folder), folder];
}
