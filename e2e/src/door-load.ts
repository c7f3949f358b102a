/** A steady stream of requests at the ingress for several hosts, each answer held to where it belongs. */
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stack } from "./stack.ts";

/** A request gets this long, in milliseconds. */
const requestTimeoutMs = 10_000;

/** What is asked for, and what its answers look like. */
export interface Destination {
  readonly host: string;
  readonly path: string;
  readonly method?: "GET" | "POST";
  readonly answers: RegExp;
}

/** How the stream goes. */
export interface DoorLoadOptions {
  readonly destinations: readonly Destination[];
  readonly perSecond: number;
  /** Clients that ask one after the other: as many keep their connection as take a new one for each request. */
  readonly keeping: number;
  readonly fresh: number;
}

/** What the stream has seen so far. */
export interface DoorLoad {
  /** Requests without an answer, or with a status of 400 or more. */
  readonly failures: readonly string[];
  /** Answers that belong to another destination. */
  readonly misrouted: readonly string[];
  readonly answers: number;
  /** How often each body was seen. */
  readonly bodies: ReadonlyMap<string, number>;
  /** Ends it; settles when the last answer is in. */
  stop(): Promise<void>;
}

/** Starts it. */
export function startDoorLoad(stack: Stack, options: DoorLoadOptions): DoorLoad {
  const { destinations, perSecond, keeping, fresh } = options;
  const door = new URL(stack.dev.ingress.http);
  const failures: string[] = [];
  const misrouted: string[] = [];
  const bodies = new Map<string, number>();
  const stopped = new AbortController();
  const clients = keeping + fresh;
  let answers = 0;
  const work = async (index: number): Promise<void> => {
    const agent = index < keeping ? new Agent({ keepAlive: true, maxSockets: 1 }) : undefined;
    for (let turn = index; !stopped.signal.aborted; turn += 1) {
      const destination = destinations[turn % destinations.length];
      if (destination === undefined) throw new Error("there is nowhere to go");
      const begun = performance.now();
      const at = `${destination.method ?? "GET"} ${destination.host}${destination.path}`;
      try {
        const body = await ask(door, destination, agent ?? false);
        answers += 1;
        bodies.set(body, (bodies.get(body) ?? 0) + 1);
        if (!destination.answers.test(body)) misrouted.push(`${at}: ${body}`);
      } catch (error) {
        failures.push(`${at}: ${error instanceof Error ? error.message : String(error)}`);
      }
      await sleep(Math.max(0, (1000 * clients) / perSecond - (performance.now() - begun)));
    }
    agent?.destroy();
  };
  const all = Promise.all(Array.from({ length: clients }, (_, index) => work(index)));
  return {
    failures,
    misrouted,
    bodies,
    get answers() {
      return answers;
    },
    async stop() {
      stopped.abort();
      await all;
    },
  };
}

/** One request; the body of its answer. */
function ask(door: URL, { host, path, method = "GET" }: Destination, agent: Agent | false): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(
      { host: door.hostname, port: door.port, path, method, agent, headers: { host }, timeout: requestTimeoutMs },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (text: string) => (body += text));
        response.on("error", reject);
        response.on("end", () =>
          (response.statusCode ?? 500) < 400
            ? resolve(body.trim())
            : reject(new Error(`${response.statusCode}: ${body.trim()}`)),
        );
      },
    );
    call.on("timeout", () => call.destroy(new Error(`no answer in ${requestTimeoutMs} ms`)));
    call.on("error", reject);
    call.end(method === "POST" ? "order=1" : undefined);
  });
}
