/** A Service has its name as soon as it is there, and no longer than it is. */
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "@fairlead/host";
import { connect } from "@fairlead/kube";
import type { KubeClient } from "@fairlead/kube";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Stack } from "../stack.ts";
import { UdpNames } from "../udp-names.ts";
import type { Finding } from "../udp-names.ts";
import { useNamespace } from "./story.ts";

/** The bound that users are promised, in milliseconds, and how often it is tried. */
const boundMs = 100;
const rounds = 20;
/** Far beyond the bound: here it is broken for good. */
const hopelessMs = 10_000;

/** Makes and deletes Services, and asks all the while. */
export function namesAtOnceStory(stack: () => Stack): void {
  describe("the name of a Service that comes and goes", () => {
    const namespace = useNamespace(stack, "at-once");
    let names: UdpNames | undefined;
    let client: KubeClient | undefined;
    beforeAll(async () => {
      names = await UdpNames.connect(stack().dev.dns);
      client = connect({ kubeconfig: stack().dev.kubeconfig, clock: systemClock });
    });
    afterAll(() => {
      names?.close();
      client?.transport.close();
    });

    test("answers within 100 ms of the creation's return, and is NXDOMAIN within 100 ms of the deletion's", async () => {
      const [server, api] = [names, client];
      if (server === undefined || api === undefined) throw new Error("not connected");
      /** Milliseconds from now until the name is answered so. */
      const until = async (name: string, is: (finding: Finding) => boolean): Promise<number> => {
        const begun = performance.now();
        while (!is(await server.ask(name))) {
          if (performance.now() - begun > hopelessMs) throw new Error(`${name} is still not answered as it should be`);
          await sleep(1);
        }
        return performance.now() - begun;
      };
      const created: number[] = [];
      const deleted: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const metadata = { namespace, name: `brief-${round}` };
        const name = `${metadata.name}.${namespace}.svc.cluster.local`;
        expect(await server.ask(name)).toBe("NXDOMAIN");
        const { spec } = await api.create("services", { metadata, spec: { ports: [{ port: 80 }] } });
        created.push(
          await until(name, (finding) => typeof finding === "object" && finding.address === spec?.clusterIP),
        );
        await api.delete("services", metadata);
        deleted.push(await until(name, (finding) => finding === "NXDOMAIN"));
      }
      console.log(`${stack().mode}: name there after ${inMs(created)}; gone after ${inMs(deleted)}`);
      // The middle one: a single one can be late where other suites have the processors.
      expect(median(created)).toBeLessThanOrEqual(boundMs);
      expect(median(deleted)).toBeLessThanOrEqual(boundMs);
    });
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function inMs(values: readonly number[]): string {
  return `${values.map((value) => value.toFixed(1)).join(" ")} ms (median ${median(values).toFixed(1)})`;
}
