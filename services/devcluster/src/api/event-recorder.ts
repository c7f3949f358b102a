/** Events about objects, counted up while they say the same, and forgotten after an hour. */
import type { Event, KubeObject } from "@fairlead/kube/objects";
import type { Clock } from "@fairlead/types";
import type { ClusterApi, EventNote } from "./cluster-api.ts";
import { ApiError } from "./errors.ts";
import { timestamp } from "./metadata.ts";

/** How long an Event is kept after it was last seen: a real API server's default. */
export const eventLifetimeMs = 60 * 60 * 1000;

/** Events kept in all; past it the oldest go, so that a crash loop never fills the store. */
export const maxEvents = 5000;

/** Things said that are remembered for counting; past it the oldest starts a new Event when it is said again. */
export const maxRemembered = 4096;

const sweepIntervalMs = 60_000;

interface Said {
  readonly namespace: string;
  readonly name: string;
}

/** See the module. Writes through the API itself; what cannot be written (namespace gone) is dropped. */
export class EventRecorder {
  readonly #api: ClusterApi;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #said = new Map<string, Said>();
  #cancelSweep: (() => void) | undefined;
  #created = 0n;

  constructor(options: { api: ClusterApi; clock: Clock; onError: (error: unknown) => void }) {
    this.#onError = options.onError;
    this.#api = options.api;
    this.#clock = options.clock;
  }

  /** Begins to drop old Events, now and every minute. */
  start(): void {
    this.#cancelSweep = this.#clock.setTimer(sweepIntervalMs, () => this.start());
    try {
      this.sweep();
    } catch (error) {
      // A disk that is full now may not be in a minute.
      this.#onError(error);
    }
  }

  stop(): void {
    this.#cancelSweep?.();
  }

  record(about: KubeObject, note: EventNote): void {
    const { uid = "", name = "", namespace = "" } = about.metadata ?? {};
    const key = [uid, name, namespace, note.component, note.host, note.type, note.reason, note.message].join("\n");
    try {
      const said = this.#said.get(key);
      if (said && this.#countUp(said)) return;
      this.#remember(key, this.#create(about, note));
    } catch (error) {
      // An Event is a courtesy: where it may not be written, the work it reports goes on.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** Deletes what is older than an hour, and the oldest past the bound. */
  sweep(): void {
    const events = [...this.#api.list("events").items].sort((a, b) => lastSeen(a) - lastSeen(b));
    const limit = this.#clock.now() - eventLifetimeMs;
    const excess = events.length - maxEvents;
    for (const [index, event] of events.entries()) {
      if (index >= excess && lastSeen(event) >= limit) return;
      this.#api.delete("events", event.metadata?.namespace, event.metadata?.name ?? "");
    }
  }

  #countUp(said: Said): boolean {
    const written = this.#api.modify("events", said.namespace, said.name, (event) => ({
      ...event,
      count: (event.count ?? 1) + 1,
      lastTimestamp: timestamp(this.#clock.now()),
    }));
    return written !== undefined;
  }

  #create(about: KubeObject, note: EventNote): Said {
    const { name = "", namespace = "", uid, resourceVersion } = about.metadata ?? {};
    const now = timestamp(this.#clock.now());
    const event: Event = {
      metadata: {
        name: `${name.slice(0, longestNamePart)}.${this.#suffix()}`,
        namespace: namespace || "default",
      },
      involvedObject: {
        kind: about.kind ?? "",
        apiVersion: about.apiVersion ?? "",
        name,
        ...(namespace ? { namespace } : {}),
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
      type: note.type,
      reason: note.reason,
      message: note.message.slice(0, maxMessageLength),
      source: { component: note.component, ...(note.host === undefined ? {} : { host: note.host }) },
      reportingComponent: note.component,
      reportingInstance: note.host ?? "",
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    };
    const created = this.#api.create("events", event);
    return { namespace: created.metadata?.namespace ?? "", name: created.metadata?.name ?? "" };
  }

  /** The time in nanoseconds, as on a real cluster: Events of one second are listed in the order in which they came. */
  #suffix(): string {
    this.#created = (this.#created + 1n) % nanosecondsOfMs;
    return (BigInt(Math.trunc(this.#clock.now())) * nanosecondsOfMs + this.#created).toString(16).padStart(16, "0");
  }

  #remember(key: string, said: Said): void {
    if (this.#said.size >= maxRemembered) {
      const oldest = this.#said.keys().next();
      if (!oldest.done) this.#said.delete(oldest.value);
    }
    this.#said.set(key, said);
  }
}

// An Event's name ends in a dot and 16 hex digits, and 253 characters is the most for any name.
const longestNamePart = 253 - 17;

const nanosecondsOfMs = 1_000_000n;

/** Longest message of an Event, in characters: Kubernetes' bound. */
const maxMessageLength = 1024;

function lastSeen({ lastTimestamp, eventTime, metadata }: Event): number {
  return Date.parse(lastTimestamp ?? eventTime ?? metadata?.creationTimestamp ?? "") || 0;
}
