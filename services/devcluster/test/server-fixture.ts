/** The API server on a free port, and a client with or without its certificate. */
import { once } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { RecordingLogger, seededRandom, temporaryDirectory } from "@fairlead/testkit";
import { applyPatch } from "../src/patch/index.ts";
import { serverSideApply, trackWrite } from "../src/patch/server-side-apply.ts";
import { loadSchemas } from "../src/schema/index.ts";
import { ApiServer } from "../src/server/api-server.ts";
import type { Certificates } from "../src/server/certificates.ts";
import { loadCertificates } from "../src/server/certificates.ts";
import type { AnsweredRequest } from "../src/server/cluster-metrics.ts";
import type { PodLog } from "../src/server/parts.ts";
import { resourceNames } from "../src/strategies/names.ts";
import { toTable } from "../src/table/index.ts";
import { type ApiFixture, openApi } from "./api-fixture.ts";

/** One answer, read to its end. */
export interface Answer {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON. */
  readonly json: Json;
}

/** Whatever came over the wire; tests look into it with matchers. */
export type Json = Readonly<Record<string, unknown>>;

export interface Call {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | object;
  readonly anonymous?: boolean;
}

export interface ServerFixture extends ApiFixture, AsyncDisposable {
  readonly server: ApiServer;
  readonly certificates: Certificates;
  readonly log: RecordingLogger;
  readonly answered: AnsweredRequest[];
  call(path: string, call?: Call): Promise<Answer>;
  /** Opens a stream; its head has arrived. */
  open(path: string, call?: Call): Promise<LineStream>;
}

// Made once for a test file: keys take a moment.
let shared: Promise<Certificates> | undefined;

async function certificatesOnce(now: number): Promise<Certificates> {
  await using directory = await temporaryDirectory();
  return loadCertificates({ directory: directory.path, hosts: ["127.0.0.1", "localhost"], now });
}

export async function openServer(options: { podLog?: PodLog } = {}): Promise<ServerFixture> {
  const fixture = await openApi();
  const { api, clock } = fixture;
  shared ??= certificatesOnce(Date.now());
  const certificates = await shared;
  const log = new RecordingLogger();
  const answered: AnsweredRequest[] = [];
  const noLog: PodLog = () => {
    throw new Error("no log in this test");
  };
  const server = new ApiServer({
    addresses: ["127.0.0.1"],
    port: 0,
    credentials: () => certificates,
    parts: {
      api,
      resources: resourceNames,
      schemas: await loadSchemas(),
      applyPatch,
      ownership: { serverSideApply, trackWrite },
      toTable,
      podLog: options.podLog ?? noLog,
      clock,
      random: seededRandom(1),
    },
    observe: (answer) => answered.push(answer),
    log,
  });
  await server.start();
  server.open();
  const { ca, client } = certificates;
  const known = new Agent({ keepAlive: true, ca, cert: client.certificate, key: client.key });
  const unknown = new Agent({ ca });
  const send = async (
    path: string,
    { method = "GET", headers = {}, body, anonymous }: Call,
  ): Promise<IncomingMessage> => {
    const agent = anonymous ? unknown : known;
    const text = typeof body === "object" ? JSON.stringify(body) : body;
    const sent = request({ host: "127.0.0.1", port: server.port, path, method, agent });
    // Node frames the body of a DELETE only where its length is given.
    for (const [name, value] of Object.entries({ ...framing(text), ...headers })) sent.setHeader(name, value);
    sent.end(text);
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    return response;
  };
  return {
    ...fixture,
    server,
    certificates,
    log,
    answered,
    async call(path, call = {}) {
      const response = await send(path, call);
      let text = "";
      for await (const piece of response.setEncoding("utf8") as AsyncIterable<string>) text += piece;
      return {
        code: response.statusCode ?? 0,
        headers: response.headers,
        text,
        get json() {
          return JSON.parse(text) as Json;
        },
      };
    },
    open: async (path, call = {}) => new LineStream(await send(path, call)),
    async [Symbol.asyncDispose]() {
      known.destroy();
      unknown.destroy();
      await server.stop();
      await api.stop();
      fixture.store.close();
    },
  };
}

function framing(body: string | undefined): Record<string, string> {
  if (body === undefined) return {};
  return { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) };
}

/** A stream of JSON lines. */
export class LineStream {
  readonly response: IncomingMessage;
  readonly #lines: AsyncIterator<string>;

  constructor(response: IncomingMessage) {
    this.response = response;
    this.#lines = linesOf(response);
  }

  /** The next line; undefined at the end. */
  async next(): Promise<Json | undefined> {
    const line = await this.#lines.next();
    return line.done ? undefined : (JSON.parse(line.value) as Json);
  }

  async take(count: number): Promise<Json[]> {
    const taken: Json[] = [];
    while (taken.length < count) {
      const line = await this.next();
      if (!line) throw new Error(`the stream ended after ${taken.length} lines`);
      taken.push(line);
    }
    return taken;
  }

  close(): void {
    this.response.destroy();
  }
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of response.setEncoding("utf8") as AsyncIterable<string>) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
