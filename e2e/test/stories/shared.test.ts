import { needs } from "@fairlead/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import { modes, startStack } from "../../src/stack.ts";
import type { Stack } from "../../src/stack.ts";
import { sharedStories } from "../../src/stories/index.ts";

describe.each(modes)("the stack, %s", (mode) => {
  describe.skipIf(needs("kubectl", "curl", "dig", "openssl", ...(mode === "distributed" ? ["nats-server"] : [])))(
    "tells its stories",
    () => {
      let running: Stack | undefined;
      beforeAll(async () => {
        running = await startStack({ mode });
      });
      afterAll(async () => await running?.dispose());

      const stack = (): Stack => {
        if (running === undefined) throw new Error("the stack is not running");
        return running;
      };
      for (const story of sharedStories) story(stack);
    },
  );
});
