/** What the guest is made of, as far as it takes no machine. */
import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "@fairlead/testkit";
import { describe, expect, onTestFinished, test } from "vitest";
import { cpioArchive } from "../src/cpio.ts";
import { guestKernel } from "../src/debian-kernel.ts";
import { isStatic } from "../src/elf.ts";
import { chooseModules, parseModuleFiles } from "../src/modules.ts";

async function folder(): Promise<string> {
  const temporary = await temporaryDirectory();
  onTestFinished(() => temporary.remove());
  return temporary.path;
}

test("an archive has each file behind its header, filled up to whole words, and an end", () => {
  const archive = cpioArchive([
    { name: "etc", mode: 0o755 },
    { name: "etc/motd", mode: 0o644, content: Buffer.from("hello") },
  ]);
  const header = (index: number, mode: number, size: number, name: number): string =>
    ["070701", ...[index, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0].map(hex)].join("");
  const hex = (value: number): string => value.toString(16).padStart(8, "0");
  expect(archive.toString("latin1")).toBe(
    [
      `${header(1, 0o040_755, 0, 4)}etc\0\0\0`,
      `${header(2, 0o100_644, 5, 9)}etc/motd\0\0hello\0\0\0`,
      `${header(3, 0, 0, 11)}TRAILER!!!\0\0\0\0`,
    ].join(""),
  );
});

describe("modules", () => {
  const first = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p"].map((name) => `kernel/first/${name}.ko:`);
  const list = (...lines: readonly string[]) => parseModuleFiles([...first, ...lines, ""].join("\n"));

  test("come with what they need, and nothing else comes", () => {
    const { files } = chooseModules(
      list(
        "kernel/net/ip_vs.ko: kernel/net/nf_conntrack.ko kernel/lib/libcrc32c.ko",
        "kernel/net/nf_conntrack.ko: kernel/lib/libcrc32c.ko",
        "kernel/lib/libcrc32c.ko:",
        "kernel/drivers/sound.ko:",
      ),
    );
    expect(files.filter((file) => !file.startsWith("kernel/first/"))).toEqual([
      "kernel/lib/libcrc32c.ko",
      "kernel/net/ip_vs.ko",
      "kernel/net/nf_conntrack.ko",
    ]);
  });

  test("are loaded by name or by the beginning of it, but for those that change what packets do", () => {
    const { loaded, files } = chooseModules(
      list("a/ip_vs_rr.ko:", "a/ip_vs_ftp.ko:", "a/nft_ct.ko:", "a/veth.ko:", "a/vxlan.ko:", "a/crc32c_generic.ko:"),
    );
    expect(loaded).toEqual(["crc32c_generic", "ip_vs_rr", "nft_ct", "veth"]);
    expect(files).toEqual(expect.arrayContaining(["a/ip_vs_ftp.ko", "a/vxlan.ko"]));
  });

  test("without which there are no files of the host are missed at once", () => {
    expect(() => chooseModules(parseModuleFiles("a/virtio_pci.ko:\n"))).toThrow(/virtio_console, 9pnet_virtio, 9p/);
  });
});

test("the kernel is the newest that is complete", async () => {
  const cache = await folder();
  for (const name of ["linux-6.1.0-9-amd64", "linux-6.1.0-57-amd64", "process-1-x"]) await mkdir(join(cache, name));
  await writeFile(join(cache, "linux-6.1.0-9-amd64", "vmlinuz"), "");
  await writeFile(join(cache, "linux-6.1.0-57-amd64", "vmlinux"), "");
  await writeFile(join(cache, "process-1-x", "vmlinux"), "");
  expect(await guestKernel({ cache })).toEqual({
    release: "6.1.0-57-amd64",
    image: join(cache, "linux-6.1.0-57-amd64/vmlinux"),
    modules: join(cache, "linux-6.1.0-57-amd64/lib/modules/6.1.0-57-amd64"),
  });
});

test("a program is static that names no loader", async () => {
  expect(isStatic(process.execPath)).toBe(false);
  expect(isStatic(import.meta.filename)).toBe(false);
  const alone = Buffer.alloc(120);
  alone.write("\u007fELF\u0002", "latin1");
  alone.writeBigUInt64LE(64n, 32);
  alone.writeUInt16LE(56, 54);
  alone.writeUInt16LE(1, 56);
  alone.writeUInt32LE(1, 64);
  const file = join(await folder(), "alone");
  await writeFile(file, alone);
  expect(isStatic(file)).toBe(true);
});

test.for([
  [[], "there is no command"],
  [["--time-limit", "soon", "--", "true"], "--time-limit: soon is no time"],
  [["--env", "1=2", "--", "true"], "--env: 1=2 is no variable"],
  [["--disk", "--", "true"], "--disk"],
] as const)("the command refuses %j", ([args, message]) => {
  const main = join(import.meta.dirname, "../src/main.ts");
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  expect(status).toBe(2);
  expect(stderr).toContain(message);
  expect(stderr).toContain("usage:");
});
