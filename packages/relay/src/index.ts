/** Listening at addresses and leading what comes on to endpoints, in user space. */
export type { RelayChange, RelayEndpoint, RelayEntry, RelayFrontend, RelayObserver, RelayProblem } from "./entry.ts";
export { BUSY_RETRIES, BUSY_RETRY_MS, SLOW_RETRY_MS } from "./listener-slot.ts";
export { RelaySet } from "./relay-set.ts";
export type { HeldAddress, RelaySetOptions } from "./relay-set.ts";
export { ServicePortCounters } from "./service-port.ts";
export type { PickerFactory } from "./service-port.ts";
export { SUSPECT_MS } from "./suspects.ts";
export { LINGER_MS } from "./udp-flow.ts";
