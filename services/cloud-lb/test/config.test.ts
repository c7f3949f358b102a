import { fileURLToPath } from "node:url";
import { silentLogger } from "@fairlead/host";
import { FakeClock, launch, RecordingLogger, seededRandom } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import { composeCloudLb, wireCloudLb } from "../src/compose.ts";
import { readCloudLbConfig } from "../src/config.ts";

const read = (...argv: string[]) => readCloudLbConfig({ argv, env: {} });
const clock = new FakeClock();
const random = seededRandom(1);

test.each([[["--provider=pool"]], [["--provider=pool", "--pools=a.yaml", "--pool-range=10.0.0.0/24"]]])(
  "%j is refused: the pool needs one source of addresses",
  (argv) => {
    expect(() => read(...argv)).toThrow(expect.objectContaining({ code: "CONFIG" }));
  },
);

test("names that the API would refuse are refused at once, all of them", () => {
  const bad = ["--load-balancer-class=a//b", "--lease-name=Mine", "--lease-namespace=-x"];
  expect(() => read(...bad)).toThrow(/loadBalancerClass[^]*leaseNamespace[^]*leaseName/);
  const good = ["--load-balancer-class=example.org/cloud", "--lease-name=mine", "--lease-namespace=x"];
  expect(read(...good)).toMatchObject({ loadBalancerClass: "example.org/cloud", leaseName: "mine" });
});

test("the process names every option that is wrong, and ends with code 2", async () => {
  const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
  const wrong = ["--provider=cloud", "--pool-range=10.0.0.300/24", "--health-address=nowhere", "--odd=1"];
  const cloudLb = await launch({ command: process.execPath, args: [main, ...wrong] });
  onTestFinished(() => cloudLb.stop());
  expect(await cloudLb.exited).toEqual({ code: 2, signal: null });
  for (const field of ["provider", "poolRange", "healthAddress", "--odd"]) {
    expect(cloudLb.stderr()).toContain(`  ${field} (from `);
  }
});

test("without a provider it needs nothing, is ready, and touches no Service", async () => {
  const log = new RecordingLogger();
  const service = composeCloudLb(read("--health-address=127.0.0.1:0"), { log, clock, random });
  await service.start();
  try {
    expect((await fetch(`${service.healthUrl}/readyz`)).status).toBe(200);
    expect(log.records.some(({ message }) => message.includes("no provider"))).toBe(true);
  } finally {
    await service.stop();
  }
});

test("every part of the wiring without a provider can be made", () => {
  const { tokens, resolve } = wireCloudLb(read(), { log: silentLogger, clock, random });
  expect(tokens.length).toBe(2);
  for (const token of tokens) expect(resolve(token)).toBeDefined();
});
