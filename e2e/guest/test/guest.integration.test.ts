/** The guest itself: each test boots a machine. */
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { eventually, launch, needs, temporaryDirectory } from "@fairlead/testkit";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { guestKernel, kernelCache } from "../src/debian-kernel.ts";
import { type GuestCommand, guestEnvironment, runInGuest } from "../src/guest.ts";

const root = resolve(import.meta.dirname, "../../..");
const why = needs("qemu-system-x86_64", "busybox", "apt-get", "dpkg-deb", "setpriv", "ipvsadm");

/** Runs a script in the guest; with what it wrote. */
async function run(script: string, options: Partial<GuestCommand> = {}) {
  let stdout = "";
  let stderr = "";
  const code = await runInGuest({
    command: ["sh", "-c", script],
    cwd: root,
    env: guestEnvironment(),
    onStdout: (bytes) => (stdout += String(bytes)),
    onStderr: (bytes) => (stderr += String(bytes)),
    ...options,
  });
  return { code, stdout, stderr };
}

/** Processes that a process has started, and the name of each. */
async function childrenOf(pid: number): Promise<ReadonlyMap<number, string>> {
  const listed = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ").filter(Boolean);
  const named = listed.map(
    async (each) => [Number(each), (await readFile(`/proc/${each}/comm`, "utf8")).trim()] as const,
  );
  return new Map(await Promise.all(named));
}

describe.skipIf(why)("the kernel guest", () => {
  // The first time it is fetched.
  beforeAll(async () => void (await guestKernel({})), 600_000);

  test("runs a command as root on Debian's kernel, with IPVS, in the same place, and ends as it does", async () => {
    const script = 'uname -r; id -u; pwd; echo "$GREETING"; ipvsadm -ln | head -1; echo trouble >&2; exit 42';
    const env = { ...guestEnvironment(), GREETING: "it's\na test" };
    const { code, stdout, stderr } = await run(script, { env });
    const { release } = await guestKernel({});
    expect(stdout).toBe(`${release}\n0\n${root}\nit's\na test\nIP Virtual Server version 1.2.1 (size=4096)\n`);
    expect(stderr).toBe("trouble\n");
    expect(code).toBe(42);
  });

  test("reads this machine's files, writes to those folders only that it was given, and has a network of its own", async () => {
    const given = await temporaryDirectory();
    onTestFinished(() => given.remove());
    const file = join(given.path, "result");
    const links = "ip link add v0 type vxlan id 1 dstport 4789; ip -br link show";
    const script = `${links}; echo kept >${file}; touch /tmp/gone /run/gone; touch ${root}/never`;
    const { code, stdout, stderr } = await run(script, { writable: [given.path] });
    // A loopback interface that is up, and the kinds of links that are asked for.
    expect(stdout).toMatch(/^lo +UNKNOWN .*LOWER_UP.*\nv0 +DOWN .*\n$/);
    expect(code).toBe(1);
    expect(stderr).toContain("Read-only file system");
    expect(await readFile(file, "utf8")).toBe("kept\n");
    expect([`${root}/never`, "/tmp/gone", "/run/gone"].filter((each) => existsSync(each))).toEqual([]);
  });

  test("runs in its own folder also where that lies below one that begins empty", async () => {
    const own = await temporaryDirectory();
    onTestFinished(() => own.remove());
    await writeFile(join(own.path, "file"), "found\n");
    const { code, stdout, stderr } = await run("cat file; ls /tmp; touch file", { cwd: own.path });
    expect(stdout).toContain(`found\n`);
    expect(stdout).toContain(`${basename(own.path)}\n`);
    expect(stderr).toContain("Read-only file system");
    expect(code).toBe(1);
  });

  test("is ended when its time is over, and when it is interrupted", async () => {
    await expect(run("sleep 600", { timeLimitMs: 1_000 })).rejects.toMatchObject({ code: "GUEST_TIME_LIMIT" });
    const interrupted = new AbortController();
    const reason = new Error("that is enough");
    const running = run("sleep 600", { signal: interrupted.signal, onConsole: () => interrupted.abort(reason) });
    await expect(running).rejects.toBe(reason);
    expect([...(await childrenOf(process.pid)).values()].filter((name) => name.startsWith("qemu"))).toEqual([]);
    expect((await readdir(kernelCache)).filter((name) => name.startsWith(`process-${process.pid}-`))).toEqual([]);
  });

  test("that ends without an answer is told apart from a command that fails", async () => {
    const crash = run("echo c >/proc/sysrq-trigger; sleep 600");
    await expect(crash).rejects.toMatchObject({ code: "GUEST_FAILED", message: expect.stringContaining("sysrq") });
  });

  test("does not outlive the command that started it, even if that is killed", async () => {
    const main = join(root, "e2e/guest/src/main.ts");
    const command = await launch({ command: process.execPath, args: [main, "--", "sleep", "600"] });
    onTestFinished(() => command.stop());
    const machine = await eventually(async () => {
      const found = [...(await childrenOf(command.pid))].find(([, name]) => name.startsWith("qemu"));
      expect(found).toBeDefined();
      return found?.[0];
    });
    // That process alone: `launch` would end the whole group.
    process.kill(command.pid, "SIGKILL");
    await eventually(async () => {
      const state = await readFile(`/proc/${machine}/stat`, "utf8").catch(() => "");
      expect(state).not.toMatch(/\) [^Z]/);
    });
  });
});
