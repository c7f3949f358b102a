/**
 * Writes Events about objects, for people who read `kubectl describe`. Best effort and bounded: an Event that cannot be written is
 * logged and dropped; one that says the same again counts up the earlier one.
 */
import { createHash } from "node:crypto";
import type { Clock } from "@fairlead/types";
import type { KubeClient } from "./client.ts";
import { isNotFound } from "./errors.ts";
import type { Event } from "./objects.ts";

/** Events waiting to be written; further ones are dropped. */
export const maxPendingEvents = 256;
/** Distinct Events remembered for counting up. */
export const maxKnownEvents = 4096;
/** The same Event about the same object is written at most once in this time, in milliseconds. */
export const repeatMs = 10_000;
/** Longest message, in characters: what newer versions of the Event API take. The rest is cut off. */
export const maxMessageLength = 1024;
/** Longest name of an object. */
const maxNameLength = 253;

/** The object that an Event is about. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What it says. */
export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** UpperCamelCase, for machines. */
  readonly reason: string;
  /** A sentence for people. */
  readonly message: string;
}

/** The part of a logger that the recorder needs. */
interface WarningLog {
  warn(message: string, fields?: Record<string, unknown>): void;
}

interface Known {
  /** How often it was said since it was last written. */
  unwritten: number;
  written: number;
  readonly name: string;
  readonly first: string;
}

/** See the module. */
export class EventRecorder {
  readonly #options: { client: KubeClient; component: string; host?: string; clock: Clock; log: WarningLog };
  readonly #known = new Map<string, Known>();
  #pending = 0;
  #tail: Promise<void> = Promise.resolve();

  constructor(options: { client: KubeClient; component: string; host?: string; clock: Clock; log: WarningLog }) {
    this.#options = options;
  }

  /** Queues an Event; returns at once and never throws. */
  record(about: EventSubject, given: EventNote): void {
    const note = { ...given, message: cut(given.message) };
    const key = digest(about, note);
    const now = this.#options.clock.now();
    const known = this.#known.get(key) ?? {
      unwritten: 0,
      written: Number.NEGATIVE_INFINITY,
      name: eventName(about.name, key.slice(0, 16)),
      first: new Date(now).toISOString(),
    };
    known.unwritten += 1;
    this.#known.delete(key);
    this.#known.set(key, known);
    if (this.#known.size > maxKnownEvents) this.#known.delete(this.#known.keys().next().value ?? "");
    if (now - known.written < repeatMs || this.#pending >= maxPendingEvents) return;
    known.written = now;
    this.#pending += 1;
    this.#tail = this.#tail
      .then(() => this.#write(about, note, known, now))
      .finally(() => {
        this.#pending -= 1;
      });
  }

  /** Settles when all that was queued has been written or dropped. */
  async drained(): Promise<void> {
    await this.#tail;
  }

  async #write(about: EventSubject, note: EventNote, known: Known, now: number): Promise<void> {
    const { client, component, host, log } = this.#options;
    const target = { namespace: about.namespace, name: known.name };
    const count = known.unwritten;
    const lastTimestamp = new Date(now).toISOString();
    const event: Event = {
      metadata: target,
      involvedObject: { ...about },
      ...note,
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
      reportingInstance: host ?? "",
      firstTimestamp: known.first,
      lastTimestamp,
      count,
    };
    try {
      await client.apply("events", target, (current) =>
        current === undefined ? event : { ...current, count: (current.count ?? 0) + count, lastTimestamp },
      );
      known.unwritten -= count;
    } catch (error) {
      // A namespace that is going away takes no Events; nobody is left to read it.
      if (isNotFound(error)) return;
      const reason = error instanceof Error ? error.message : String(error);
      log.warn(`could not write the Event ${note.reason}: ${reason}`, { about: `${about.namespace}/${about.name}` });
    }
  }
}

function cut(message: string): string {
  return message.length <= maxMessageLength ? message : `${message.slice(0, maxMessageLength - 1)}…`;
}

/** A name must end a label with a letter or digit before each dot, also where a long one was cut. */
function eventName(object: string, suffix: string): string {
  return `${object.slice(0, maxNameLength - 1 - suffix.length).replace(/[^a-z0-9]+$/, "")}.${suffix}`;
}

// The name is made from what the Event says, so that a restarted service counts up its own earlier Event.
function digest(about: EventSubject, note: EventNote): string {
  const text = [about.kind, about.namespace, about.name, about.uid, note.type, note.reason, note.message].join("\0");
  return createHash("sha256").update(text).digest("hex");
}
