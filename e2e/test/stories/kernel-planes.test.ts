// The stories of the shared stack once more, with a plane in the kernel: each node and each pod with a network of its own. All of it (the
// launcher, kubectl, curl, this thread) is in a network that leads nowhere else.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { enterNewNetworkNamespace } from "@fairlead/sockets";
import { needs } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { routedPlan } from "../../src/address-plan.ts";
import { modes, startStack } from "../../src/stack.ts";
import type { Stack } from "../../src/stack.ts";
import { sharedStories } from "../../src/stories/index.ts";
import { ownNetworksStory } from "../../src/stories/own-networks.ts";
import { startedAgain } from "../../src/stories/started-again.ts";

const programs = ["root", "unshare", "mount", "ip", "kubectl", "curl", "dig", "openssl"];

/** IPVS where this machine's own kernel has it: in the guest a quarter of the stories takes eight minutes, so its suites there are the plane's. */
const planes = existsSync("/proc/net/ip_vs") ? (["nftables", "ipvs"] as const) : (["nftables"] as const);
const ways = planes.flatMap((plane) => modes.map((mode) => ({ plane, mode })));

describe.each(ways)("the stack with the plane $plane, $mode,", ({ plane, mode }) => {
  const missing = needs(...programs, ...(mode === "distributed" ? ["nats-server"] : []));
  describe.skipIf(missing)("tells the same stories", () => {
    let running: Stack | undefined;
    let leave = (): void => undefined;
    beforeAll(async () => {
      leave = enterNewNetworkNamespace();
      execFileSync("ip", ["link", "set", "lo", "up"]);
      running = await startStack({ mode, plan: routedPlan(plane) });
    });
    afterAll(async () => {
      await running?.dispose();
      leave();
    });

    const stack = (): Stack => {
      if (running === undefined) throw new Error("the stack is not running");
      return running;
    };
    for (const story of [...sharedStories, ownNetworksStory]) story(stack);

    test.each(["SIGTERM", "SIGKILL"] as const)("started again after %s it is as it was", async (signal) => {
      running = await startedAgain(stack(), signal);
      expect(running.dev.plane).toBe(plane);
    });
  });
});
