import { FakeClock } from "@fairlead/testkit";
import type { Probe } from "@fairlead/kube/objects";
import { describe, expect, test } from "vitest";
import type { ProbeOutcome } from "../src/node-agent/probe/probe-handlers.ts";
import { ProbeState } from "../src/node-agent/probe/probe-state.ts";
import type { ProbeKind, ProbeResult } from "../src/node-agent/probe/probe-state.ts";
import { ProbeWorker } from "../src/node-agent/probe/probe-worker.ts";

describe("a probe's standing", () => {
  const rows: {
    kind: ProbeKind;
    success?: number;
    failure?: number;
    results: ProbeResult[];
    standings: (boolean | undefined)[];
  }[] = [
    { kind: "readiness", results: ["success"], standings: [true] },
    {
      kind: "readiness",
      success: 2,
      results: ["success", "failure", "success", "success"],
      standings: [false, false, false, true],
    },
    { kind: "liveness", results: ["failure", "failure", "failure"], standings: [true, true, false] },
    {
      kind: "liveness",
      results: ["failure", "failure", "success", "failure", "failure"],
      standings: [true, true, true, true, true],
    },
    { kind: "liveness", results: ["failure", "failure", "error", "failure"], standings: [true, true, true, false] },
    { kind: "startup", failure: 2, results: ["failure", "failure"], standings: [undefined, false] },
    { kind: "startup", results: ["failure", "success"], standings: [undefined, true] },
  ];
  test.for(rows)("$kind $results", ({ kind, success, failure, results, standings }) => {
    const state = new ProbeState({
      kind,
      ...(success === undefined ? {} : { successThreshold: success }),
      ...(failure === undefined ? {} : { failureThreshold: failure }),
    });
    const seen = results.map((result) => {
      const before = state.value;
      const changed = state.observe(result);
      expect(changed).toBe(state.value !== before);
      return state.value;
    });
    expect(seen).toEqual(standings);
  });
});

describe("a probe worker", () => {
  function work(kind: ProbeKind, probe: Probe, answer: (asked: number) => ProbeResult) {
    const clock = new FakeClock();
    const asked: number[] = [];
    const changes: [number, boolean][] = [];
    const troubles: number[] = [];
    const worker = new ProbeWorker({
      kind,
      probe,
      clock,
      startedAt: 0,
      ask: async (): Promise<ProbeOutcome> => {
        asked.push(clock.monotonic());
        return { result: answer(asked.length), message: "" };
      },
      onTrouble: () => troubles.push(clock.monotonic()),
      onChange: (passed) => changes.push([clock.monotonic(), passed]),
    });
    worker.start();
    return { clock, asked, changes, troubles, worker };
  }

  test("asks at once, then once a period, and stops when told", async () => {
    const { clock, asked, worker } = work("liveness", { periodSeconds: 5 }, () => "success");
    await clock.advance(12_000);
    expect(asked).toEqual([0, 5_000, 10_000]);
    worker.stop();
    expect(clock.pending).toBe(0);
  });

  test("waits for the initial delay", async () => {
    const { clock, asked } = work("liveness", { initialDelaySeconds: 7, periodSeconds: 5 }, () => "success");
    await clock.advance(12_000);
    expect(asked).toEqual([7_000, 12_000]);
  });

  test("reports a failed liveness only after three periods, and then is silent", async () => {
    const { clock, changes, troubles } = work("liveness", { periodSeconds: 1 }, () => "failure");
    await clock.advance(10_000);
    expect(changes).toEqual([[2_000, false]]);
    expect(troubles).toEqual([0, 1_000, 2_000]);
  });

  test("finds a pod ready soon after it is, without counting the questions that came too early", async () => {
    const { clock, asked, changes, troubles } = work("readiness", { periodSeconds: 10 }, (nth) =>
      nth < 4 ? "failure" : "success",
    );
    await clock.advance(20_000);
    expect(changes).toEqual([[350, true]]);
    expect(troubles).toEqual([]);
    expect(asked).toEqual([0, 50, 150, 350, 10_000, 20_000]);
  });

  test("asks a pod that was ready no more often than its period", async () => {
    const { clock, asked, changes } = work("readiness", { periodSeconds: 10 }, (nth) =>
      nth === 1 ? "success" : "failure",
    );
    await clock.advance(30_000);
    expect(asked).toEqual([0, 10_000, 20_000, 30_000]);
    expect(changes).toEqual([
      [0, true],
      [30_000, false],
    ]);
  });

  test("gives a startup probe its threshold in periods, however often it asks early", async () => {
    const probe = { periodSeconds: 10, failureThreshold: 3 };
    const { clock, changes, troubles } = work("startup", probe, () => "failure");
    await clock.advance(60_000);
    expect(troubles).toEqual([10_000, 20_000]);
    expect(changes).toEqual([[20_000, false]]);
  });

  test("asks for several successes only once a period", async () => {
    const { clock, asked, changes } = work("readiness", { periodSeconds: 2, successThreshold: 3 }, () => "success");
    await clock.advance(4_000);
    expect(asked).toEqual([0, 2_000, 4_000]);
    expect(changes).toEqual([[4_000, true]]);
  });
});
