/**
 * Finds upstreams that lead back here, such as a machine's own resolver that asks us: each is asked once for a name that nobody else can
 * know, and whoever hears that name again is in a circle. CoreDNS ends the process then; here the upstream is left out, so that the
 * cluster's names are answered all the same.
 */
import { randomBytes } from "node:crypto";
import type { Startable } from "@fairlead/host";
import type { Clock } from "@fairlead/types";
import { classIn, RecordType } from "../wire/constants.ts";
import { lowerCase, nameText } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import type { Question } from "../wire/message.ts";
import type { Upstream } from "./upstream.ts";

/** How often an upstream that did not answer the probe is probed again, in ms, and how often at most. As long as CoreDNS tries: 30 s. */
const RETRY_MS = 2_000;
const MAX_RETRIES = 15;

/** How often an upstream that leads back here is asked whether it still does, in ms. */
const RECHECK_MS = 60_000;

/** How long a probe may take, in ms: through a circle it takes as long as our own answer. */
const PROBE_TIMEOUT_MS = 2_000;

/** An upstream, and the zone for which it is asked. */
export interface Probed {
  readonly zone: Name;
  readonly upstream: Upstream;
}

/** What a probe needs. */
export interface LoopProbeOptions {
  readonly upstreams: readonly Probed[];
  readonly clock: Clock;
  /** Told when an upstream is found to lead back here, or no longer to. */
  readonly found: (upstream: string, loops: boolean) => void;
}

/** See the module. Started once the listeners are open. */
export class LoopProbe implements Startable {
  readonly name = "loop probe";
  readonly #options: LoopProbeOptions;
  readonly #asked = new Map<string, Upstream>();
  readonly #cancels = new Map<Upstream, () => void>();
  #stopped = false;

  constructor(options: LoopProbeOptions) {
    this.#options = options;
  }

  /** Whether a question that came in is one of our own; its upstream is not asked any more then. */
  arrived({ name, type }: Question): boolean {
    if (type !== RecordType.HINFO || this.#asked.size === 0) return false;
    const upstream = this.#asked.get(nameText(name.map(lowerCase)));
    if (upstream === undefined) return false;
    if (!upstream.loops) {
      upstream.loops = true;
      this.#options.found(upstream.name, true);
    }
    return true;
  }

  async start(): Promise<void> {
    for (const probed of this.#options.upstreams) void this.#probe(probed, MAX_RETRIES);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#cancels.values()) cancel();
  }

  async #probe(probed: Probed, retries: number): Promise<void> {
    const { zone, upstream } = probed;
    const name = [randomBytes(8).toString("hex"), randomBytes(8).toString("hex"), ...zone];
    const key = nameText(name);
    const before = upstream.loops;
    let answered = true;
    upstream.loops = false;
    this.#asked.set(key, upstream);
    try {
      await upstream.probe({ name, type: RecordType.HINFO, class: classIn }, PROBE_TIMEOUT_MS);
    } catch {
      answered = false;
    }
    this.#asked.delete(key);
    if (this.#stopped) return;
    if (upstream.loops) return this.#later(RECHECK_MS, probed, MAX_RETRIES);
    // Silence proves nothing: what was known stands.
    if (!answered) upstream.loops = before;
    else if (before) this.#options.found(upstream.name, false);
    if (!answered && retries > 0) this.#later(RETRY_MS, probed, retries - 1);
  }

  #later(ms: number, probed: Probed, retries: number): void {
    const cancel = this.#options.clock.setTimer(ms, () => void this.#probe(probed, retries));
    this.#cancels.set(probed.upstream, cancel);
  }
}
