/** Relay sets for tests, with everything that a test does not care about filled in. */
import { randomInt } from "node:crypto";
import { createPicker, withClientIpAffinity } from "@fairlead/balancing";
import { silentLogger, systemClock } from "@fairlead/host";
import { seededRandom } from "@fairlead/testkit";
import { RelaySet } from "../../src/index.ts";
import type { RelayEntry, RelaySetOptions } from "../../src/index.ts";

/** A random address in 127.<second>.0.0/16: tests run beside each other. */
export function loopback(second: number): string {
  return `127.${second}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
}

/** A set with short timeouts and real pickers; round-robin unless the entry asks for another. */
export function makeRelaySet(options: Partial<RelaySetOptions<RelayEntry>> = {}): RelaySet<RelayEntry> {
  const clock = options.clock ?? systemClock;
  return new RelaySet<RelayEntry>({
    makePicker: (scheduler, affinityMs) => {
      const picker = createPicker(scheduler ?? "rr", { random: seededRandom(1) });
      return affinityMs === undefined ? picker : withClientIpAffinity(picker, { timeoutMs: affinityMs, clock });
    },
    observer: { serving: () => {}, problem: () => {} },
    keepsSource: ({ policy }) => policy === "Local",
    clock,
    log: silentLogger,
    connectTimeoutMs: 500,
    udpTimeoutMs: 30_000,
    ...options,
  });
}
