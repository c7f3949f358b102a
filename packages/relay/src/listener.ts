/** What is opened and closed at an address: one implementation for each protocol. */
import type { RelayEntry } from "./entry.ts";
import type { ServicePort } from "./service-port.ts";

/** For whom a listener listens. */
export interface Target<E extends RelayEntry = RelayEntry> {
  readonly service: ServicePort<E>;
  readonly frontend: E["frontends"][number];
}

/** A socket at a Service address. */
export interface Listener {
  /** Binds and listens; rejects with the system's error. May be called again after a rejection. */
  open(): Promise<void>;
  /** From now on new traffic belongs to this target; the address and port are the same. Also told when the target's endpoints changed. */
  retarget(target: Target): void;
  /** Takes in what the kernel has queued, then gives the address free. Open connections live on. Does nothing where it is not open. */
  close(): Promise<void>;
}
