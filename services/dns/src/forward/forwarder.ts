/** Questions of other zones: which servers are asked, in which order, and what is kept of their answers. */
import { CodedError } from "@fairlead/types";
import type { Clock, Random } from "@fairlead/types";
import { lowerCase, nameText, within } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import type { Question } from "../wire/message.ts";
import { NoAnswerError } from "./exchange.ts";
import type { ServerAddress } from "./exchange.ts";
import { LoopProbe } from "./loop-probe.ts";
import { orderBy } from "./policy.ts";
import type { ForwardPolicy } from "./policy.ts";
import { ResponseCache } from "./response-cache.ts";
import type { AgedResponse, CacheSizes } from "./response-cache.ts";
import { Upstream } from "./upstream.ts";

/** Questions on their way to upstreams at once; more are refused. */
export const MAX_CONCURRENT = 1_000;

/** Time for all tries together, in ms. CoreDNS' default. */
const MAX_ASKING_MS = 5_000;

/** Servers of one zone at most. CoreDNS' bound. */
export const MAX_UPSTREAMS = 15;

/** Thrown when too many questions are on their way already. */
export class TooManyQuestionsError extends CodedError {
  readonly code = "DNS_TOO_MANY";

  constructor() {
    super(`${MAX_CONCURRENT} questions are on their way to upstreams already`);
    this.name = "TooManyQuestionsError";
  }
}

/** A zone and the servers to ask about it. */
export interface StubDomain {
  readonly zone: Name;
  readonly servers: readonly ServerAddress[];
}

/** What is told of each try. */
export interface ForwardObserver {
  /** `rcode` is undefined where there was no answer. */
  asked(upstream: string, seconds: number, rcode: number | undefined): void;
  cached(hit: boolean, negative: boolean): void;
  rejected(): void;
  /** All upstreams seem down; one is asked all the same. */
  broken(): void;
  /** A kept response had to go for another. */
  evicted(negative: boolean): void;
  /** A health check of an upstream got no answer. */
  checkFailed(upstream: string): void;
  /** An upstream was found to lead back here, or no longer to. */
  looping(upstream: string, loops: boolean): void;
}

/** What a forwarder needs. Zones in lower case; the empty one is everything else. */
export interface ForwarderOptions {
  readonly domains: readonly StubDomain[];
  readonly policy: ForwardPolicy;
  readonly timeoutMs: number;
  readonly forceTcp: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: ForwardObserver;
}

interface Route {
  readonly zone: Name;
  readonly upstreams: readonly Upstream[];
  readonly order: ReturnType<typeof orderBy>;
}

/** See the module. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #routes: readonly Route[];
  readonly #cache: ResponseCache;
  /** To be started once questions can come in, and stopped before {@link close}. */
  readonly loopProbe: LoopProbe;
  readonly #asking = new Map<string, Promise<AgedResponse>>();

  constructor(options: ForwarderOptions) {
    const { clock, random, timeoutMs, forceTcp, policy, observer } = options;
    this.#options = options;
    this.#cache = new ResponseCache({ clock, evicted: (negative) => observer.evicted(negative) });
    this.#routes = options.domains
      .filter(({ servers }) => servers.length > 0)
      .map(({ zone, servers }) => ({
        zone,
        upstreams: servers.slice(0, MAX_UPSTREAMS).map((address) => {
          const checkFailed = (): void => observer.checkFailed(upstream.name);
          const upstream = new Upstream({ address, clock, timeoutMs, forceTcp, checkFailed });
          return upstream;
        }),
        order: orderBy(policy, random),
      }))
      // The longest zone that holds a name is the one that counts.
      .toSorted((one, other) => other.zone.length - one.zone.length);
    this.loopProbe = new LoopProbe({
      upstreams: this.#routes.flatMap(({ zone, upstreams }) => upstreams.map((upstream) => ({ zone, upstream }))),
      clock,
      found: (upstream, loops) => observer.looping(upstream, loops),
    });
  }

  /** How many responses are kept. */
  get cached(): CacheSizes {
    return this.#cache.sizes;
  }

  /** Whether there is somebody to ask about a name, in lower case. */
  knows(name: Name): boolean {
    return this.#route(name) !== undefined;
  }

  /**
   * The answer to a question, kept or asked for; those who ask the same at once share it. Throws {@link NoAnswerError} and
   * {@link TooManyQuestionsError}.
   */
  async ask(question: Question): Promise<AgedResponse & { readonly cached: boolean }> {
    if (this.loopProbe.arrived(question)) throw new NoAnswerError("this question was our own: it came back");
    const key = `${question.type}/${question.class}/${lowerCase(nameText(question.name))}`;
    const kept = this.#cache.get(key);
    if (kept) {
      this.#options.observer.cached(true, kept.response.negative);
      return { ...kept, cached: true };
    }
    this.#options.observer.cached(false, false);
    const running = this.#asking.get(key);
    if (running) return { ...(await running), cached: false };
    const route = this.#route(question.name.map(lowerCase));
    if (!route) throw new NoAnswerError("there is nobody to ask");
    if (this.#asking.size >= MAX_CONCURRENT) {
      this.#options.observer.rejected();
      throw new TooManyQuestionsError();
    }
    const asked = this.#ask(route, question, key);
    this.#asking.set(key, asked);
    try {
      return { ...(await asked), cached: false };
    } finally {
      this.#asking.delete(key);
    }
  }

  /** Ends health checks; questions on their way end by their time limit. */
  close(): void {
    for (const { upstreams } of this.#routes) for (const upstream of upstreams) upstream.close();
  }

  async #ask(route: Route, question: Question, key: string): Promise<AgedResponse> {
    const { clock, observer } = this.#options;
    const deadline = clock.monotonic() + MAX_ASKING_MS;
    const upstreams = route.upstreams.filter(({ loops }) => !loops);
    const up = upstreams.filter(({ down }) => !down);
    if (up.length === 0 && upstreams.length > 0) observer.broken();
    let failure: unknown = new NoAnswerError("there is nobody to ask");
    for (const upstream of route.order(up.length > 0 ? up : upstreams)) {
      if (clock.monotonic() >= deadline) break;
      const began = clock.monotonic();
      try {
        const response = await upstream.ask(question);
        observer.asked(upstream.name, (clock.monotonic() - began) / 1_000, response.rcode);
        this.#cache.keep(key, response);
        return { response, age: 0 };
      } catch (error) {
        observer.asked(upstream.name, (clock.monotonic() - began) / 1_000, undefined);
        failure = error;
      }
    }
    throw failure;
  }

  #route(name: Name): Route | undefined {
    return this.#routes.find(({ zone }) => within(name, zone) !== undefined);
  }
}
