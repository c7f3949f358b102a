/** Turns what a plane tells about single addresses into Events and quiet lines for people. */
import type { Logger } from "@fairlead/host";
import { aboutService } from "./event-sink.ts";
import type { EventSink } from "./event-sink.ts";
import type { EntryKey, Frontend, ServicePortEntry } from "./plan/entry.ts";
import type { PlaneObserver, PlaneProblem } from "./plane.ts";

/** Problems remembered so that each is logged once; beyond, the oldest may be logged again. */
export const MAX_REMEMBERED_PROBLEMS = 4_096;

/** Addresses that people are told of at a time; whoever has more Services does not read them line by line. */
export const MAX_ANNOUNCED_ADDRESSES = 256;

const HTTPS_PORT = 443;

/** See the module. */
export class ServiceObserver implements PlaneObserver {
  readonly #events: EventSink;
  readonly #log: Logger;
  /** Entry and address → what was last said of it. */
  readonly #said = new Map<string, string>();
  /** Addresses that people were told of: an endpoint that comes and goes is no news. */
  readonly #announced = new Map<EntryKey, Set<string>>();
  #announcements = 0;

  constructor(options: { events: EventSink; log: Logger }) {
    this.#events = options.events;
    this.#log = options.log;
  }

  serving(entry: ServicePortEntry, frontend: Frontend): void {
    this.#said.delete(placeOf(entry, frontend));
    const url = urlOf(entry, frontend);
    const announced = this.#announced.get(entry.key) ?? new Set();
    this.#announced.set(entry.key, announced);
    // Every node serves the node ports: that would be as many lines as nodes.
    if (announced.has(url) || frontend.kind === "NodePort" || this.#announcements > MAX_ANNOUNCED_ADDRESSES) {
      this.#log.debug("serving", { servicePort: entry.servicePort, at: url });
      return;
    }
    announced.add(url);
    if (this.#announcements++ === MAX_ANNOUNCED_ADDRESSES) {
      this.#log.notice(`more than ${MAX_ANNOUNCED_ADDRESSES} addresses are served; no further ones are named`);
      return;
    }
    this.#log.notice(`service ${entry.service.namespace}/${entry.service.name} at ${url}`, {
      servicePort: entry.servicePort,
      at: url,
    });
  }

  problem(entry: ServicePortEntry, frontend: Frontend, { reason, message }: PlaneProblem): void {
    this.#events.record(aboutService(entry.service), { type: "Warning", reason, message });
    const place = placeOf(entry, frontend);
    if (this.#said.get(place) === message) return;
    this.#said.delete(place);
    this.#said.set(place, message);
    for (const oldest of this.#said.keys()) {
      if (this.#said.size <= MAX_REMEMBERED_PROBLEMS) break;
      this.#said.delete(oldest);
    }
    this.#log.notice(`service ${entry.service.namespace}/${entry.service.name}: ${message}`, {
      servicePort: entry.servicePort,
      reason,
    });
  }

  /** The entry is gone: should it come back, it is told anew. */
  forget(entry: ServicePortEntry): void {
    this.#announcements -= this.#announced.get(entry.key)?.size ?? 0;
    this.#announced.delete(entry.key);
    for (const frontend of entry.frontends) this.#said.delete(placeOf(entry, frontend));
  }
}

function placeOf(entry: ServicePortEntry, frontend: Frontend): string {
  return `${entry.key} ${frontend.address} ${frontend.port}`;
}

/** What a person would try; whether it speaks HTTP nobody has said, but what else would one open by hand? */
function urlOf({ protocol, portName }: ServicePortEntry, { address, port }: Frontend): string {
  const host = address.includes(":") ? `[${address}]` : address;
  const scheme = portName === "https" || port === HTTPS_PORT ? "https" : "http";
  return `${protocol === "TCP" ? scheme : protocol.toLowerCase()}://${host}:${port}`;
}
