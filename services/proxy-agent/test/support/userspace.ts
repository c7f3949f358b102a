/** Userspace planes for tests, with everything that a test does not care about filled in. */
import { randomInt } from "node:crypto";
import { createPicker, withClientIpAffinity } from "@fairlead/balancing";
import { silentLogger, systemClock } from "@fairlead/host";
import { seededRandom } from "@fairlead/testkit";
import { RecordingObserver } from "../../src/testing.ts";
import type { PickerFactory } from "@fairlead/relay";
import { UserspacePlane } from "../../src/userspace/userspace-plane.ts";
import type { UserspacePlaneOptions } from "../../src/userspace/userspace-plane.ts";

/** A random address in 127.<second>.0.0/16: tests run beside each other. */
export function loopback(second: number): string {
  return `127.${second}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
}

/** Real pickers; round-robin unless the entry asks for another. */
export function pickers(clock = systemClock): PickerFactory {
  return (scheduler, affinityMs) => {
    const picker = createPicker(scheduler ?? "rr", { random: seededRandom(1) });
    return affinityMs === undefined ? picker : withClientIpAffinity(picker, { timeoutMs: affinityMs, clock });
  };
}

/** A plane with short timeouts. */
export function makeUserspacePlane(options: Partial<UserspacePlaneOptions> = {}): UserspacePlane {
  const clock = options.clock ?? systemClock;
  return new UserspacePlane({
    makePicker: pickers(clock),
    observer: new RecordingObserver(),
    clock,
    log: silentLogger,
    connectTimeoutMs: 500,
    udpTimeoutMs: 30_000,
    ...options,
  });
}
