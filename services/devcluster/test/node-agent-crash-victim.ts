/** A node agent in a process of its own, to be killed: `node node-agent-crash-victim.ts STATE_DIR SLOT [CONFIG as JSON]`. */
import { isReady, shell, startHarness } from "./node-agent-harness.ts";

const [, , stateDir = "", slot = "", config = "{}"] = process.argv;
const harness = await startHarness({ stateDir, slot: Number(slot), config: JSON.parse(config) as object });
// Ignores SIGTERM and has children: one in its group, one in a session of its own, one that has lost the marks.
const script = "trap '' TERM; sleep 601 & setsid sleep 602 & env -i sleep 603 & echo up; while :; do sleep 1; done";
harness.run("stubborn", { containers: [shell(script)] });
harness.run("once", { restartPolicy: "Never", containers: [shell("exec sleep 604")] });
harness.api.create("pods", {
  metadata: { name: "leaving", namespace: "default" },
  spec: { nodeName: "node-2", terminationGracePeriodSeconds: 600, containers: [shell("trap '' TERM; sleep 605")] },
});
for (const name of ["stubborn", "once", "leaving"]) {
  await harness.until(name, (pod) => {
    if (!isReady(pod)) throw new Error(`${name} is not ready`);
  });
}
while ((await harness.log("stubborn")) !== "up\n") await new Promise((resolve) => setImmediate(resolve));
harness.api.delete("pods", "default", "leaving");
process.stdout.write("victim is ready\n");
