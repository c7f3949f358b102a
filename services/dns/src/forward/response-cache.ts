/** Responses of other servers, for as long as they allow and no more of them than a bound. */
import type { Clock } from "@fairlead/types";
import { Rcode } from "../wire/constants.ts";
import type { Response } from "./response.ts";

/** Responses that are kept; the one least recently used goes first. CoreDNS' default. */
export const MAX_RESPONSES = 9_984;

/** Largest response that is kept, in bytes: it bounds the memory. */
const MAX_KEPT_BYTES = 4_096;

/** Shortest time that a response is kept, in seconds, unless it forbids to be kept at all. CoreDNS' default. */
const MIN_TTL_SECONDS = 5;

/** Longest time that a response with an answer is kept, in seconds. CoreDNS' default. */
const MAX_TTL_SECONDS = 3_600;

/** Longest time that a response that says no is kept, in seconds. CoreDNS' default. */
const MAX_DENIAL_SECONDS = 1_800;

/** How long a server's failure is kept, in seconds. CoreDNS' default. */
const FAILURE_TTL_SECONDS = 5;

/** A response and how old it is, in seconds. */
export interface AgedResponse {
  readonly response: Response;
  readonly age: number;
}

interface Entry {
  readonly response: Response;
  readonly storedAt: number;
  readonly until: number;
}

/** See the module. */
export class ResponseCache {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): AgedResponse | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    const now = this.#clock.monotonic();
    if (now >= entry.until) return undefined;
    // Last in the order again: the first one is the one least recently used.
    this.#entries.set(key, entry);
    return { response: entry.response, age: Math.floor((now - entry.storedAt) / 1_000) };
  }

  /** Keeps a response if it may be kept. */
  keep(key: string, response: Response): void {
    const seconds = keepSeconds(response);
    if (seconds === 0 || response.truncated || response.bytes.length > MAX_KEPT_BYTES) return;
    if (this.#entries.size >= MAX_RESPONSES) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    const storedAt = this.#clock.monotonic();
    this.#entries.set(key, { response, storedAt, until: storedAt + seconds * 1_000 });
  }
}

function keepSeconds({ rcode, ttl, negative }: Response): number {
  if (rcode === Rcode.SERVFAIL) return FAILURE_TTL_SECONDS;
  if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN) return 0;
  if (ttl === 0) return 0;
  return Math.min(Math.max(ttl, MIN_TTL_SECONDS), negative ? MAX_DENIAL_SECONDS : MAX_TTL_SECONDS);
}
