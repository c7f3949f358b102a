/** Runs a plane without privileges: one Service at port 81, one at a high port. Prints what was reported and what the second answers. */
import { adding, endpointAt, entryOf, frontendAt } from "../../src/testing/entries.ts";
import { ask } from "@fairlead/relay/testing";
import { TcpBackend } from "@fairlead/relay/testing";
import { createPicker } from "@fairlead/balancing";
import { silentLogger, systemClock } from "@fairlead/host";
import { UserspacePlane } from "../../src/userspace/userspace-plane.ts";

const [serviceAddress = "", endpointAddress = ""] = process.argv.slice(2);
if (process.getuid?.() === 0) {
  process.setgid?.(65_534);
  process.setuid?.(65_534);
}

const problems: string[] = [];
const plane = new UserspacePlane({
  makePicker: () => createPicker("rr", { random: () => 0 }),
  observer: {
    serving: () => undefined,
    problem: ({ service }, frontend, { reason, message }) =>
      problems.push(`${reason} ${service.name} ${frontend.address}:${frontend.port} ${message}`),
  },
  clock: systemClock,
  log: silentLogger,
  connectTimeoutMs: 500,
  udpTimeoutMs: 30_000,
});
const backend = await TcpBackend.naming(endpointAddress, "from the high port");
const high = { address: serviceAddress, port: 20_081 };
await plane.apply(
  adding(
    entryOf({
      name: "low",
      frontends: [frontendAt({ address: serviceAddress, port: 81 })],
      endpoints: [endpointAt(backend)],
    }),
    entryOf({ name: "high", frontends: [frontendAt(high)], endpoints: [endpointAt(backend)] }),
  ),
);
process.stdout.write(`${JSON.stringify({ problems, answer: await ask(high) })}\ndone\n`);
await backend.stop();
await plane.stop();
