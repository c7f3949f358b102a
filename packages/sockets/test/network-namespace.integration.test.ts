import { needs } from "@fairlead/testkit";
import { networkInterfaces } from "node:os";
import { readlinkSync } from "node:fs";
import { launch, type Launched } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { enterNewNetworkNamespace, networkNamespaceAt, thisNetworkNamespace } from "../src/index.ts";

const here = (): string => readlinkSync("/proc/thread-self/ns/net");

describe.skipIf(needs("root", "unshare"))("network namespaces", () => {
  let other: Launched;

  beforeEach(async () => {
    other = await launch({
      command: "unshare",
      args: ["--net", "sh", "-c", "echo here; exec sleep 600"],
      ready: /here/,
    });
  });

  afterEach(() => other.stop());

  const path = (): string => `/proc/${other.pid}/ns/net`;

  it("are where an action runs, and are left when it returns or throws", () => {
    const before = here();
    const there = networkNamespaceAt(path());
    expect(there.run(here)).toBe(readlinkSync(path()));
    expect(there.run(() => networkInterfaces())).toEqual({});
    expect(() =>
      there.run(() => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(here()).toBe(before);
    expect(thisNetworkNamespace.run(here)).toBe(before);
  });

  it("say so where the file does not stand for one", () => {
    expect(() => networkNamespaceAt("/proc/self/ns/none").run(here)).toThrow("ENOENT");
    expect(() => networkNamespaceAt("/dev/null").run(here)).toThrow("EINVAL");
  });

  it("can be new ones for this thread, with a way back", () => {
    const before = here();
    const leave = enterNewNetworkNamespace();
    expect(here()).not.toBe(before);
    leave();
    expect(here()).toBe(before);
  });
});
