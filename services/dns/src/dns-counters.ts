/** Counts per query, cheap enough for the path of a hit: numbers in arrays, made into metrics when they are read. */

/** Who made an answer: by CoreDNS' names of plugins. */
export const answerSources = ["kubernetes", "forward", "cache", "none"] as const;
/** See {@link answerSources}. */
export type AnswerSource = (typeof answerSources)[number];

/** Types that are told apart; others count as one. */
const maxTypes = 258;
/** Response codes that are told apart. */
const maxRcodes = 24;

/** See the module. */
export class DnsCounters {
  readonly #requests = new Float64Array(4 * maxTypes);
  readonly #responses = new Float64Array(answerSources.length * maxRcodes);
  /** Malformed messages that got no answer. */
  dropped = 0;

  request(tcp: boolean, v6: boolean, type: number): void {
    const at = ((tcp ? 2 : 0) + (v6 ? 1 : 0)) * maxTypes + Math.min(type, maxTypes - 1);
    this.#requests[at] = (this.#requests[at] ?? 0) + 1;
  }

  response(source: AnswerSource, rcode: number): void {
    const at = answerSources.indexOf(source) * maxRcodes + Math.min(rcode, maxRcodes - 1);
    this.#responses[at] = (this.#responses[at] ?? 0) + 1;
  }

  /** Every count of requests that is not 0; type 257 stands for all others. */
  *requests(): Generator<{ tcp: boolean; v6: boolean; type: number; count: number }> {
    for (const [at, count] of this.#requests.entries()) {
      const kind = Math.floor(at / maxTypes);
      if (count > 0) yield { tcp: kind >= 2, v6: kind % 2 === 1, type: at % maxTypes, count };
    }
  }

  /** Every count of responses that is not 0. */
  *responses(): Generator<{ source: AnswerSource; rcode: number; count: number }> {
    for (const [at, count] of this.#responses.entries()) {
      const source = answerSources[Math.floor(at / maxRcodes)];
      if (count > 0 && source) yield { source, rcode: at % maxRcodes, count };
    }
  }
}
