import { schedulerNames } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { chooseScheduler } from "../src/ipvs/schedulers.ts";

const none: ReadonlySet<string> = new Set();

describe("the kernel's scheduler for a name", () => {
  it.each(["rr", "wrr", "lc", "wlc", "sh", "dh", "sed", "nq", "mh"] as const)("is the one of that name: %s", (name) => {
    const { scheduler, problem } = chooseScheduler(name, none);
    expect(scheduler.name).toBe(name);
    expect(problem).toBeUndefined();
  });

  it("lets clients of a server without weight go on to another where the kernel hashes", () => {
    expect(chooseScheduler("sh", none).scheduler.flags).toBe(8);
    expect(chooseScheduler("mh", none).scheduler.flags).toBe(8);
    expect(chooseScheduler("wlc", none).scheduler.flags).toBe(0);
  });

  it("takes two by chance where the kernel can, and says what it does where it cannot", () => {
    expect(chooseScheduler("p2c", none)).toEqual({ scheduler: { name: "twos", flags: 0 } });
    const instead = chooseScheduler("p2c", new Set(["twos"]));
    expect(instead.scheduler.name).toBe("wlc");
    expect(instead.problem).toMatchObject({
      reason: "SchedulerNotSupported",
      message: expect.stringContaining("ip_vs_twos") as string,
    });
  });

  it("says that chance alone is nothing that the kernel has", () => {
    const { scheduler, problem } = chooseScheduler("random", none);
    expect(scheduler.name).toBe("wrr");
    expect(problem?.message).toContain("no scheduler random");
  });

  it.each(schedulerNames)("falls back to rr, with words, where the kernel has nothing else: %s", (name) => {
    const all = new Set([...schedulerNames, "twos"].filter((one) => one !== "rr"));
    const { scheduler, problem } = chooseScheduler(name, all);
    expect(scheduler).toEqual({ name: "rr", flags: 0 });
    expect(problem === undefined).toBe(name === "rr");
  });

  it("says how to load what is missing", () => {
    expect(chooseScheduler("sed", new Set(["sed"])).problem?.message).toContain("modprobe ip_vs_sed");
  });
});
