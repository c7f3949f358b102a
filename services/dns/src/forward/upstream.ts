/** A server that queries are passed on to, and whether it is thought to answer. */
import { randomBytes } from "node:crypto";
import type { Clock } from "@fairlead/types";
import { classIn, Flag, RecordType } from "../wire/constants.ts";
import { OPT_BYTES, writeOpt } from "../wire/edns.ts";
import { MessageWriter } from "../wire/message-writer.ts";
import type { Question } from "../wire/message.ts";
import { exchangeTcp, exchangeUdp, NoAnswerError } from "./exchange.ts";
import type { ServerAddress } from "./exchange.ts";
import { answersTo, readResponse } from "./response.ts";
import type { Response } from "./response.ts";
import { WireError } from "../wire/wire-error.ts";

/** Failures in a row after which an upstream is passed over while there are others. CoreDNS' default of max_fails. */
export const MAX_FAILS = 2;

/** How often an upstream that failed is asked whether it answers again, in ms. CoreDNS' default of health_check. */
const HEALTH_INTERVAL_MS = 500;

/** How long a health check waits, in ms. */
const HEALTH_TIMEOUT_MS = 1_000;

/** What an upstream needs. */
export interface UpstreamOptions {
  readonly address: ServerAddress;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly forceTcp: boolean;
  /** Told when a health check got no answer. */
  readonly checkFailed: () => void;
}

const rootQuestion: Question = { name: [], type: RecordType.NS, class: classIn };

/** See the module. Checked only after a failure, by a question for the root's servers, until it answers. */
export class Upstream {
  readonly name: string;
  /** What is asked there comes back here: see loop-probe.ts. */
  loops = false;
  readonly #options: UpstreamOptions;
  #fails = 0;
  #cancelCheck: (() => void) | undefined;
  #closed = false;

  constructor(options: UpstreamOptions) {
    const { host, port } = options.address;
    this.name = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    this.#options = options;
  }

  /** Whether it failed too often of late. */
  get down(): boolean {
    return this.#fails >= MAX_FAILS;
  }

  /** Asks; over TCP if the answer does not fit. Throws {@link NoAnswerError}. */
  async ask(question: Question): Promise<Response> {
    try {
      const response = await this.#exchange(question, this.#options.timeoutMs);
      this.#fails = 0;
      return response;
    } catch (error) {
      this.#fails += 1;
      this.#checkSoon();
      throw error;
    }
  }

  /** Asks without a bearing on {@link down}. Throws {@link NoAnswerError}. */
  probe(question: Question, timeoutMs: number): Promise<Response> {
    return this.#exchange(question, timeoutMs);
  }

  /** Ends the checks. */
  close(): void {
    this.#closed = true;
    this.#cancelCheck?.();
  }

  async #exchange(question: Question, timeoutMs: number): Promise<Response> {
    const { address: to, clock, forceTcp } = this.#options;
    const id = randomBytes(2).readUInt16BE(0);
    const query = writeQuery(question, id);
    const accepts = (response: Buffer): boolean => answersTo(response, id, question);
    const options = { to, query, timeoutMs, clock, accepts };
    try {
      if (!forceTcp) {
        const response = readResponse(await exchangeUdp(options));
        if (!response.truncated) return response;
      }
      return readResponse(await exchangeTcp(options));
    } catch (cause) {
      if (cause instanceof WireError) throw new NoAnswerError("the answer cannot be read", { cause });
      throw cause;
    }
  }

  #checkSoon(): void {
    if (this.#closed || this.#cancelCheck) return;
    this.#cancelCheck = this.#options.clock.setTimer(HEALTH_INTERVAL_MS, () => {
      void this.#exchange(rootQuestion, HEALTH_TIMEOUT_MS).then(
        () => {
          this.#cancelCheck = undefined;
          this.#fails = 0;
        },
        () => {
          this.#cancelCheck = undefined;
          this.#options.checkFailed();
          this.#checkSoon();
        },
      );
    });
  }
}

function writeQuery(question: Question, id: number): Buffer {
  const writer = new MessageWriter(512);
  writer.question(question.name, question.type, question.class);
  const bytes = Buffer.alloc(writer.length + OPT_BYTES);
  writer.bytes().copy(bytes);
  writeOpt(bytes, writer.length, 0);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(Flag.RD, 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(1, 10);
  return bytes;
}
