import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readlinkSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { launch, needs } from "@fairlead/testkit";
import { afterEach, describe, expect, it } from "vitest";
import { makeNetworkNamespace, namedNamespaces, networkNamespaceAt, removeNetworkNamespace } from "../src/index.ts";

const here = (): string => readlinkSync("/proc/thread-self/ns/net");

describe.skipIf(needs("root", "unshare", "ip"))("network namespaces with a name", () => {
  const name = `fairlead-test-${process.pid}`;
  const path = join(namedNamespaces, name);
  const other = `${path}-other`;
  afterEach(() => [path, other].forEach(removeNetworkNamespace));

  it("are empty ones, found by the name as iproute2 finds them, and this thread stays where it was", () => {
    const before = here();
    makeNetworkNamespace(path);
    expect(here()).toBe(before);
    const inside = networkNamespaceAt(path);
    expect(inside.run(here)).not.toBe(before);
    expect(inside.run(() => networkInterfaces())).toEqual({});
    expect(execFileSync("ip", ["netns", "list"], { encoding: "utf8" })).toContain(name);
    const links = execFileSync("ip", ["-netns", name, "-brief", "link"], { encoding: "utf8" });
    expect(links).toMatch(/^lo\s+DOWN\s[^\n]*\n$/);
  });

  it("are gone for iproute2 and for everybody once their name is removed, also where others saw it", async () => {
    makeNetworkNamespace(path);
    // Has a copy of every mount, as a pod does.
    await using pod = await launch({
      command: "unshare",
      args: ["--mount", "--propagation", "slave", "sh", "-c", "echo here; exec sleep 600"],
      ready: /here/,
    });
    removeNetworkNamespace(path);
    expect(existsSync(path)).toBe(false);
    const seen = execFileSync("cat", [`/proc/${pod.pid}/mountinfo`], { encoding: "utf8" });
    expect(seen).toContain(namedNamespaces);
    expect(seen).not.toContain(name);
  });

  it("do not take a name that is taken, and take none away that is not there", () => {
    makeNetworkNamespace(path);
    const first = networkNamespaceAt(path).run(here);
    expect(() => makeNetworkNamespace(path)).toThrow("EEXIST");
    expect(networkNamespaceAt(path).run(here)).toBe(first);
    removeNetworkNamespace(`${path}-none`);
  });

  it("get rid of a file that stands for none, as after a boot", () => {
    writeFileSync(path, "");
    removeNetworkNamespace(path);
    expect(existsSync(path)).toBe(false);
  });

  it("live beside those that iproute2 made", () => {
    expect(spawnSync("ip", ["netns", "add", `${name}-other`]).status).toBe(0);
    makeNetworkNamespace(path);
    expect(networkNamespaceAt(other).run(here)).not.toBe(networkNamespaceAt(path).run(here));
    removeNetworkNamespace(other);
    expect(spawnSync("ip", ["netns", "exec", name, "true"]).status).toBe(0);
  });
});
