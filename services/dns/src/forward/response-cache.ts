/** Responses of other servers, for as long as they allow and no more of them than a bound. */
import type { Clock } from "@fairlead/types";
import { Rcode } from "../wire/constants.ts";
import type { Response } from "./response.ts";

/** Responses of each kind that are kept, with answers and denials; the one least recently used goes first. CoreDNS' default. */
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

/** How many responses of each kind; CoreDNS' names. */
export interface CacheSizes {
  readonly success: number;
  readonly denial: number;
}

interface Entry {
  readonly response: Response;
  readonly storedAt: number;
  readonly until: number;
}

/** See the module. Answers and denials are kept apart, so that a flood of made-up names does not push answers out. */
export class ResponseCache {
  readonly #clock: Clock;
  readonly #evicted: (negative: boolean) => void;
  readonly #success = new Map<string, Entry>();
  readonly #denial = new Map<string, Entry>();

  /** `evicted` is told of each that had to go for another. */
  constructor(options: { readonly clock: Clock; readonly evicted: (negative: boolean) => void }) {
    this.#clock = options.clock;
    this.#evicted = options.evicted;
  }

  get sizes(): CacheSizes {
    return { success: this.#success.size, denial: this.#denial.size };
  }

  get(key: string): AgedResponse | undefined {
    const entries = this.#success.has(key) ? this.#success : this.#denial;
    const entry = entries.get(key);
    if (!entry) return undefined;
    entries.delete(key);
    const now = this.#clock.monotonic();
    if (now >= entry.until) return undefined;
    // Last in the order again: the first one is the one least recently used.
    entries.set(key, entry);
    return { response: entry.response, age: Math.floor((now - entry.storedAt) / 1_000) };
  }

  /** Keeps a response if it may be kept. */
  keep(key: string, response: Response): void {
    const seconds = keepSeconds(response);
    if (seconds === 0 || response.truncated || response.bytes.length > MAX_KEPT_BYTES) return;
    this.#success.delete(key);
    this.#denial.delete(key);
    const entries = response.negative ? this.#denial : this.#success;
    if (entries.size >= MAX_RESPONSES) {
      const [oldest = ""] = entries.keys();
      entries.delete(oldest);
      this.#evicted(response.negative);
    }
    const storedAt = this.#clock.monotonic();
    entries.set(key, { response, storedAt, until: storedAt + seconds * 1_000 });
  }
}

function keepSeconds({ rcode, ttl, negative }: Response): number {
  if (rcode === Rcode.SERVFAIL) return FAILURE_TTL_SECONDS;
  if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN) return 0;
  if (ttl === 0) return 0;
  return Math.min(Math.max(ttl, MIN_TTL_SECONDS), negative ? MAX_DENIAL_SECONDS : MAX_TTL_SECONDS);
}
