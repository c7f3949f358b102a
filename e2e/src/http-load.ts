/** Requests against a Service: one, many, or a steady stream in the background that counts every answer and every failure. */
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** A request gets this long, in milliseconds. */
const requestTimeoutMs = 5_000;

/** One request on a connection of its own; its body. Rejects on any failure, also a status of 400 or more. */
export function get(url: string, options: { readonly from?: string } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      {
        agent: false,
        timeout: requestTimeoutMs,
        ...(options.from === undefined ? {} : { localAddress: options.from }),
      },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (text: string) => (body += text));
        response.on("error", reject);
        response.on("end", () =>
          (response.statusCode ?? 500) < 400 ? resolve(body) : reject(new Error(`${response.statusCode}: ${body}`)),
        );
      },
    );
    call.on("timeout", () => call.destroy(new Error(`no answer in ${requestTimeoutMs} ms`)));
    call.on("error", reject);
    call.end();
  });
}

/** The pod that answered: the last word of `You've hit <pod>`. */
export function podOf(body: string): string {
  return /You've hit (\S+)/.exec(body)?.[1] ?? body.trim();
}

/** How often each pod answered. */
export function countByPod(bodies: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const body of bodies) counts.set(podOf(body), (counts.get(podOf(body)) ?? 0) + 1);
  return counts;
}

/** What a stream of requests has seen so far. */
export interface Load {
  readonly failures: readonly { readonly at: number; readonly error: string }[];
  readonly answers: number;
  /** When each pod answered first and last, by `performance.now()`. */
  readonly first: ReadonlyMap<string, number>;
  readonly last: ReadonlyMap<string, number>;
  /** Ends it; settles when the last answer is in. */
  stop(): Promise<void>;
}

/** Sends requests, each on a new connection, about `perSecond` a second from `workers` at once, until stopped. */
export function startLoad(url: string, options: { readonly perSecond?: number; readonly workers?: number } = {}): Load {
  const { perSecond = 120, workers = 6 } = options;
  const failures: { at: number; error: string }[] = [];
  const first = new Map<string, number>();
  const last = new Map<string, number>();
  const stopped = new AbortController();
  let answers = 0;
  const work = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      const begun = performance.now();
      try {
        const pod = podOf(await get(url));
        const now = performance.now();
        answers += 1;
        if (!first.has(pod)) first.set(pod, now);
        last.set(pod, now);
      } catch (error) {
        failures.push({ at: begun, error: error instanceof Error ? error.message : String(error) });
      }
      await sleep(Math.max(0, (1000 * workers) / perSecond - (performance.now() - begun)));
    }
  };
  const all = Promise.all(Array.from({ length: workers }, work));
  return {
    failures,
    first,
    last,
    get answers() {
      return answers;
    },
    async stop() {
      stopped.abort();
      await all;
    },
  };
}
