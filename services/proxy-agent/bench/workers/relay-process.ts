/** The relay of the benchmark: the userspace plane with one Service. Prints a line when it serves. */
import { createPicker } from "@fairlead/balancing";
import { createLogger, systemClock, systemRandom } from "@fairlead/host";
import { adding, endpointAt, entryOf, frontendAt } from "../../src/testing/entries.ts";
import { UserspacePlane } from "../../src/userspace/userspace-plane.ts";

const [host = "127.0.0.1", port, backendHost = "127.0.0.1", ...backendPorts] = process.argv.slice(2);
const log = createLogger({ service: "bench", level: "warn", destination: process.stderr });
const plane = new UserspacePlane({
  makePicker: (scheduler) => createPicker(scheduler ?? "rr", { random: systemRandom }),
  observer: {
    serving: () => process.stdout.write("serving\n"),
    problem: (_entry, _frontend, problem) => log.error("the relay cannot serve", { ...problem }),
  },
  clock: systemClock,
  log,
  connectTimeoutMs: 2_000,
  udpTimeoutMs: 30_000,
});
await plane.start();
await plane.apply(
  adding(
    entryOf({
      name: "bench",
      frontends: [frontendAt({ address: host, port: Number(port) })],
      endpoints: backendPorts.map((one) => endpointAt({ address: backendHost, port: Number(one) })),
    }),
  ),
);

// An orderly exit, so that a profiler of Node (--cpu-prof) writes what it found.
process.on("SIGTERM", () => process.exit(0));
