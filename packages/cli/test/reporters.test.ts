import { FakeClock } from "@fairlead/testkit";
import { beforeEach, describe, expect, test } from "vitest";
import { jsonReporter } from "../src/report/json-reporter.ts";
import { plainReporter } from "../src/report/plain-reporter.ts";
import type { Reporter } from "../src/report/reporter.ts";
import { terminalReporter } from "../src/report/terminal-reporter.ts";
import { Screen } from "./support/screen.ts";

let clock = new FakeClock();
let out = "";
let err = "";
beforeEach(() => {
  clock = new FakeClock();
  out = "";
  err = "";
});

const target = {
  write: (text: string) => void (out += text),
  writeError: (text: string) => void (err += text),
  monotonic: () => clock.monotonic(),
  now: () => clock.now(),
};
// oxlint-disable-next-line no-control-regex -- escape codes are the point
const escapeCode = /\u001B/;

/** A whole run, with everything that a reporter can be told. */
async function run(reporter: Reporter): Promise<void> {
  const api = reporter.step("devcluster");
  const bus = reporter.step("nats-server");
  await clock.advance(250);
  bus.done();
  await clock.advance(1000);
  api.done("https://127.0.0.1:6443");
  reporter.step("proxy-agent node-1").abandoned();
  reporter.step("endpoint-controller").failed("it ended\nwith exit code 1");
  reporter.summary([
    ["kubectl", "export KUBECONFIG=/tmp/x/kubeconfig"],
    ["pods", "127.244.0.0/16"],
  ]);
  reporter.ready();
  reporter.event("devcluster", "pod default/kubia is ready");
  reporter.warning("proxy-agent node-1", "port 80 \u001B[31mmay not\u0007 be bound");
  reporter.stopping();
  reporter.stopped();
  reporter.failed("the state folder is in use");
}

describe("the plain reporter", () => {
  test("writes one line an event, without escape codes", async () => {
    await run(plainReporter(target));
    expect(out.split("\n")).toEqual([
      "starting devcluster",
      "starting nats-server",
      "nats-server is ready after 0.3 s",
      "devcluster is ready after 1.3 s: https://127.0.0.1:6443",
      "starting proxy-agent node-1",
      "starting endpoint-controller",
      "endpoint-controller failed: it ended with exit code 1",
      "  kubectl  export KUBECONFIG=/tmp/x/kubeconfig",
      "  pods     127.244.0.0/16",
      "fairlead is ready",
      "devcluster: pod default/kubia is ready",
      "proxy-agent node-1: warning: port 80  [31mmay not  be bound",
      "stopping",
      "stopped",
      "",
    ]);
    expect(err).toBe("fairlead: the state folder is in use\n");
  });
});

describe("the JSON reporter", () => {
  test("writes one object a line with a time and a type, errors too", async () => {
    await run(jsonReporter(target));
    expect(err).toBe("");
    const lines = out.trimEnd().split("\n");
    const records = lines.map((line) => JSON.parse(line) as { time: string; type: string });
    for (const { time } of records) expect(new Date(time).toISOString()).toBe(time);
    expect(records.map(({ time: _time, ...rest }) => rest)).toEqual([
      { type: "starting", service: "devcluster" },
      { type: "starting", service: "nats-server" },
      { type: "started", service: "nats-server", ms: 250 },
      { type: "started", service: "devcluster", where: "https://127.0.0.1:6443", ms: 1250 },
      { type: "starting", service: "proxy-agent node-1" },
      { type: "abandoned", service: "proxy-agent node-1" },
      { type: "starting", service: "endpoint-controller" },
      { type: "failed", service: "endpoint-controller", reason: "it ended\nwith exit code 1" },
      { type: "summary", kubectl: "export KUBECONFIG=/tmp/x/kubeconfig", pods: "127.244.0.0/16" },
      { type: "ready", message: "fairlead is ready" },
      { type: "event", service: "devcluster", message: "pod default/kubia is ready" },
      { type: "warning", service: "proxy-agent node-1", message: "port 80 \u001B[31mmay not\u0007 be bound" },
      { type: "stopping" },
      { type: "stopped" },
      { type: "error", message: "the state folder is in use" },
    ]);
    expect(out).not.toMatch(escapeCode);
  });
});

describe("the terminal reporter", () => {
  const onScreen = (columns: number, colour = true): { readonly screen: Screen; readonly reporter: Reporter } => {
    const screen = new Screen(columns);
    const write = (text: string): void => {
      out += text;
      screen.write(text);
    };
    return { screen, reporter: terminalReporter({ ...target, write, columns: () => columns, colour }) };
  };

  test("says below everything else what is starting, and turns it into a line when it is ready", async () => {
    const { screen, reporter } = onScreen(80);
    const api = reporter.step("devcluster");
    const bus = reporter.step("nats-server");
    expect(screen.rows).toEqual(["  · starting devcluster, nats-server"]);
    await clock.advance(400);
    bus.done("nats://127.0.0.1:4222");
    expect(screen.rows).toEqual([
      "  ✓ nats-server          nats://127.0.0.1:4222       0.4 s",
      "  · starting devcluster",
    ]);
    reporter.warning("devcluster", "slow disk");
    expect(screen.rows.at(-2)).toMatch(/^\d\d:\d\d:\d\d ! devcluster slow disk$/);
    expect(screen.rows.at(-1)).toBe("  · starting devcluster");
    api.done("https://127.0.0.1:6443");
    expect(screen.rows).toHaveLength(3);
    expect(screen.rows.at(-1)).toBe("  ✓ devcluster           https://127.0.0.1:6443      0.4 s");
  });

  test.each([20, 33, 40])("leaves no broken line behind on a terminal of %i columns", (columns) => {
    const { screen, reporter } = onScreen(columns);
    const steps = Array.from({ length: 16 }, (_, index) => reporter.step(`proxy-agent node-${index + 1}`));
    expect(screen.rows).toHaveLength(1);
    expect(screen.rows[0]).toMatch(/^ {2}· starting prox.*…$/);
    for (const step of steps) step.abandoned();
    expect(screen.rows).toEqual([]);
    reporter.step("devcluster").failed(`a reason that wraps${"-".repeat(columns)}`);
    reporter.ready();
    // Whole rows lose their trailing blanks on this screen, so blanks do not count.
    expect(screen.rows.join("").replaceAll(" ", "")).toBe(
      `✗devcluster:areasonthatwraps${"-".repeat(columns)}fairleadisready`,
    );
  });

  test("lets nothing that a service says move the cursor or the colours", () => {
    const { screen, reporter } = onScreen(80);
    reporter.event("devcluster", "one\u001B[2A\ntwo\u009B31m\rthree");
    expect(screen.rows).toHaveLength(1);
    expect(screen.rows[0]).toMatch(/devcluster one \[2A two 31m three$/);
  });

  test("paints nothing without colour", async () => {
    await run(onScreen(80, false).reporter);
    // oxlint-disable-next-line no-control-regex -- escape codes are the point
    expect(out).not.toMatch(/\u001B\[\d*m/);
    expect(err).toBe("fairlead: the state folder is in use\n");
  });

  test("paints with colour", async () => {
    await run(onScreen(80).reporter);
    expect(out).toContain("\u001B[32m✓\u001B[0m devcluster");
  });
});
