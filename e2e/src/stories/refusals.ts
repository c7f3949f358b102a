/** Story 11: bad input is refused precisely, and nothing of it is stored. */
import { describe, expect, test } from "vitest";
import { service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { useNamespace } from "./story.ts";

export function refusalsStory(stack: () => Stack): void {
  describe("bad input", () => {
    const namespace = useNamespace(stack, "refusals");

    test.each([
      ["an unknown field", (name: string) => service(namespace, name, { portz: [] }), /unknown field "spec\.portz"/],
      [
        "a port of 70000",
        (name: string) => service(namespace, name, { ports: [{ port: 70_000 }] }),
        /spec\.ports\[0\]\.port: Invalid value: 70000: must be between 1 and 65535, inclusive/,
      ],
      [
        "two unnamed ports",
        (name: string) => service(namespace, name, { ports: [{ port: 80 }, { port: 81 }] }),
        /spec\.ports\[0\]\.name: Required value[\s\S]*spec\.ports\[1\]\.name: Required value/,
      ],
      [
        "a selector that is a list",
        (name: string) => service(namespace, name, { selector: ["app"] }),
        /spec\.selector/,
      ],
      [
        "an object of 3 MB",
        (name: string) => ({
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { namespace, name },
          data: { filling: "x".repeat(3 * 1024 * 1024) },
        }),
        /Request entity too large|request is too large|too long|Too long/i,
      ],
    ])("%s is refused by apply and by create, and kubectl says what is wrong", async (what, manifest, message) => {
      const { kubectl } = stack();
      const name = what.replaceAll(/[^a-z0-9]+/g, "-");
      for (const command of ["create -f -", "apply -f -"]) {
        const { code, stderr } = await kubectl.try(command, manifest(name));
        expect(code, command).toBe(1);
        expect(stderr, command).toMatch(message);
      }
      expect(await kubectl(`get services,configmaps -n ${namespace} -o name`)).toBe("");
    });
  });
}
