import { schedulerNames, type SchedulerName } from "@fairlead/types";
import { expect, it } from "vitest";
import { createPicker } from "../src/registry.ts";
import { type Expectation, pickerCompliance, xorshift } from "../src/testing.ts";

const expectations: Record<SchedulerName, Expectation> = {
  rr: { share: "equal picks", tolerance: 0.001 },
  wrr: { share: "picks by weight", tolerance: 0.001 },
  random: { share: "picks by weight", tolerance: 0.06 },
  lc: { share: "equal connections", tolerance: 0.001 },
  wlc: { share: "connections by weight", tolerance: 0.001 },
  sh: { share: "picks by weight", tolerance: 0.06, hash: { of: "client", disruption: 0 } },
  dh: { share: "equal picks", tolerance: 0.06, hash: { of: "destination", disruption: 0 } },
  sed: { share: "connections by weight", tolerance: 0.001 },
  nq: { share: "connections by weight", tolerance: 0.001 },
  mh: { share: "picks by weight", tolerance: 0.06, hash: { of: "client", disruption: 0.05 } },
  p2c: { share: "connections by weight", tolerance: 0.02 },
};

it("has an expectation, and a picker, for every name of an algorithm", () => {
  expect(Object.keys(expectations).sort()).toEqual([...schedulerNames].sort());
  for (const name of schedulerNames) expect(createPicker(name, { random: xorshift(1) })).toBeDefined();
});

for (const name of schedulerNames) {
  pickerCompliance(name, (options) => createPicker(name, options), expectations[name]);
}
