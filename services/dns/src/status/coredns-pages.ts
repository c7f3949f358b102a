/** The pages under which CoreDNS tells how it is: `/health` is 200 while it answers at all, `/ready` names what is not ready. */
import type { HealthServer } from "@fairlead/host";

/** Adds them. */
export function addCorednsPages(health: HealthServer): void {
  health.page("/health", () => ({ status: 200, text: "OK" }));
  // CoreDNS' form: the names alone.
  health.page("/ready", (failed) =>
    failed.size === 0 ? { status: 200, text: "OK" } : { status: 503, text: [...failed.keys()].join(",") },
  );
}
