/** A query in, an answer out: from what is prepared, from the zone, or from other servers. */
import type { Logger } from "@fairlead/host";
import type { Clock, Random } from "@fairlead/types";
import { roomBytes, roomOf, writeAnswer } from "./answer-bytes.ts";
import type { AnswerBytes, Room } from "./answer-bytes.ts";
import type { AnswerCache } from "./answer-cache.ts";
import type { AnswerSource, DnsCounters } from "./dns-counters.ts";
import { TooManyQuestionsError } from "./forward/forwarder.ts";
import type { Forwarder } from "./forward/forwarder.ts";
import type { AgedResponse } from "./forward/response-cache.ts";
import { classIn, Flag, headerBytes, Rcode, RecordType } from "./wire/constants.ts";
import { OPT_BYTES, writeOpt } from "./wire/edns.ts";
import { decodeMessage } from "./wire/message.ts";
import type { Question } from "./wire/message.ts";
import { decodeName, lowerCase } from "./wire/name.ts";
import { opcodeOf, readQuery } from "./wire/query.ts";
import type { Query } from "./wire/query.ts";
import { WireError } from "./wire/wire-error.ts";
import type { ClusterZone } from "./zone/cluster-zone.ts";
import { readReverse } from "./zone/reverse.ts";
import type { ZoneAnswer } from "./zone/zone-answer.ts";

/** What a handler answers from. */
export interface HandlerOptions {
  readonly zone: ClusterZone;
  readonly answers: AnswerCache;
  readonly forwarder: () => Forwarder;
  /** Whether the zone knows what exists. */
  readonly synced: () => boolean;
  readonly counters: DnsCounters;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Told how long a query took that was not answered at once, in seconds. */
  readonly waited: (seconds: number) => void;
}

/** How a query came. */
export interface Arrival {
  readonly tcp: boolean;
  readonly v6: boolean;
}

/** Answers queries. Never throws, whatever the bytes are. */
export class Handler {
  readonly #options: HandlerOptions;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  /** The answer; a promise where others must be asked (the query's bytes may be used again meanwhile); undefined for what must not be answered: responses, and what has no header. */
  handle(bytes: Buffer, arrival: Arrival): Buffer | undefined | Promise<Buffer> {
    if (bytes.length < headerBytes || ((bytes[2] ?? 0) & 0x80) !== 0) {
      this.#options.counters.dropped += 1;
      return undefined;
    }
    let query: Query;
    try {
      query = readQuery(bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      const notQuery = opcodeOf(bytes.readUInt16BE(2)) !== 0;
      return this.#count("none", failure(bytes, undefined, notQuery ? Rcode.NOTIMP : Rcode.FORMERR));
    }
    this.#options.counters.request(arrival.tcp, arrival.v6, query.type);
    if (query.class === classIn && query.version === 0 && opcodeOf(query.flags) === 0) {
      const key = bytes.toString("latin1", headerBytes, query.nameEnd + 4);
      const prepared = this.#options.answers.get(key);
      // Nobody is asked whether the zone is synced: nothing is prepared before it is.
      if (prepared) return this.#fill(prepared.bytes(roomOf(arrival.tcp, query.room)), bytes, query, false);
    }
    return this.#resolve(bytes, query, arrival);
  }

  #resolve(bytes: Buffer, query: Query, arrival: Arrival): Buffer | Promise<Buffer> {
    const refuse = (rcode: number): Buffer => this.#count("none", failure(bytes, query, rcode));
    if (opcodeOf(query.flags) !== 0) return refuse(Rcode.NOTIMP);
    if (query.version !== 0) return refuse(Rcode.BADVERS);
    if (query.type === RecordType.AXFR || query.type === RecordType.IXFR) return refuse(Rcode.REFUSED);
    if (query.class !== classIn) return refuse(Rcode.REFUSED);
    if (query.type === RecordType.OPT) return refuse(Rcode.FORMERR);
    const { answers, zone, synced } = this.#options;
    const forwarder = this.#options.forwarder();
    const room = roomOf(arrival.tcp, query.room);
    const name = decodeName(bytes, headerBytes).name.map(lowerCase);
    const question: Question = { name, type: query.type, class: query.class };
    const reverse = readReverse(name);
    const own = zone.holds(name);
    if ((own || reverse) && !synced()) return refuse(Rcode.SERVFAIL);
    if (!own && !reverse) {
      return forwarder.knows(name) ? this.#forward(bytes, query, question, room) : refuse(Rcode.REFUSED);
    }
    const key =
      lowerCase(bytes.toString("latin1", headerBytes, query.nameEnd)) +
      bytes.toString("latin1", query.nameEnd, query.nameEnd + 4);
    const prepared = answers.get(key);
    if (prepared) return this.#fill(prepared.bytes(room), bytes, query, true);
    const answer = own ? zone.answer(name, query.type) : zone.reverse(name, query.type);
    if (answer === undefined) {
      if (forwarder.knows(name)) return this.#forward(bytes, query, question, room);
      return this.#fill(this.#write(question, zone.noReverse(name), room), bytes, query, true);
    }
    if (answer.chase && forwarder.knows(answer.chase)) return this.#chase(bytes, query, question, answer, room);
    return this.#fill(answers.keep(key, question, answer).bytes(room), bytes, query, true);
  }

  #write(question: Question, answer: ZoneAnswer, room: Room): AnswerBytes {
    return writeAnswer(question, answer, room, this.#options.random);
  }

  /** A copy of an answer for this query: its id, its wish for recursion, and the question in its own case. */
  #fill({ bytes, serialAt }: AnswerBytes, source: Buffer, query: Query, recase: boolean): Buffer {
    const filled = Buffer.allocUnsafe(bytes.length);
    bytes.copy(filled);
    filled[0] = source[0] ?? 0;
    filled[1] = source[1] ?? 0;
    filled[2] = (filled[2] ?? 0) | ((query.flags >> 8) & 1);
    if (recase) source.copy(filled, headerBytes, headerBytes, query.nameEnd);
    if (serialAt !== -1) filled.writeUInt32BE(this.#options.zone.serial, serialAt);
    this.#options.counters.response("kubernetes", (filled[3] ?? 0) & 15);
    return filled;
  }

  async #forward(received: Buffer, query: Query, question: Question, room: Room): Promise<Buffer> {
    const bytes = Buffer.from(received);
    const { forwarder, clock, waited, log } = this.#options;
    const began = clock.monotonic();
    try {
      const answer = await forwarder().ask(question);
      return this.#count(answer.cached ? "cache" : "forward", passOn(answer, bytes, query, room));
    } catch (error) {
      log.debug("a question could not be forwarded", { error });
      const rcode = error instanceof TooManyQuestionsError ? Rcode.REFUSED : Rcode.SERVFAIL;
      return this.#count("forward", failure(bytes, query, rcode));
    } finally {
      waited((clock.monotonic() - began) / 1_000);
    }
  }

  /** An alias to another zone: with the addresses that others know for it, or alone. Not kept: those have a life of their own. */
  async #chase(received: Buffer, query: Query, question: Question, answer: ZoneAnswer, room: Room): Promise<Buffer> {
    const bytes = Buffer.from(received);
    const { forwarder, clock, waited, log } = this.#options;
    const began = clock.monotonic();
    let found: ZoneAnswer["answers"] = [];
    try {
      const { response, age } = await forwarder().ask({ ...question, name: answer.chase ?? [] });
      found = decodeMessage(response.bytes)
        .answers.filter(({ data }) => data.kind === "CNAME" || data.kind === "A" || data.kind === "AAAA")
        .map((record) => ({ ...record, ttl: Math.max(0, record.ttl - age) }));
    } catch (error) {
      log.debug("an alias could not be followed", { error });
    }
    waited((clock.monotonic() - began) / 1_000);
    const whole = { ...answer, answers: [...answer.answers, ...found] };
    return this.#fill(this.#write(question, whole, room), bytes, query, true);
  }

  #count(source: AnswerSource, response: Buffer): Buffer {
    this.#options.counters.response(source, (response[3] ?? 0) & 15);
    return response;
  }
}

/** An answer without records. `query` is absent if the question could not be read: it is left out then. */
function failure(source: Buffer, query: Query | undefined, rcode: number, more = 0): Buffer {
  const end = query ? query.nameEnd + 4 : headerBytes;
  const edns = query !== undefined && query.room !== -1;
  const bytes = Buffer.alloc(end + (edns ? OPT_BYTES : 0));
  source.copy(bytes, 0, 0, end);
  const flags = source.readUInt16BE(2);
  bytes.writeUInt16BE(Flag.QR | (flags & 0x7900) | more | (rcode & 15), 2);
  bytes.writeUInt16BE(query ? 1 : 0, 4);
  bytes.fill(0, 6, headerBytes);
  if (!edns) return bytes;
  writeOpt(bytes, end, rcode);
  bytes.writeUInt16BE(1, 10);
  return bytes;
}

/** Another server's answer for this client: its id and question, TTLs by now, and no more bytes than it has room for. */
function passOn({ response, age }: AgedResponse, source: Buffer, query: Query, room: Room): Buffer {
  const rcode = response.rcode < 16 ? response.rcode : Rcode.SERVFAIL;
  const edns = query.room !== -1;
  const size = response.bytes.length + (edns ? OPT_BYTES : 0);
  if (size > roomBytes(room)) return failure(source, query, rcode, Flag.TC | Flag.RA);
  const bytes = Buffer.alloc(size);
  response.bytes.copy(bytes);
  for (const at of response.ttlsAt) bytes.writeUInt32BE(Math.max(0, bytes.readUInt32BE(at) - age), at);
  source.copy(bytes, 0, 0, 2);
  source.copy(bytes, headerBytes, headerBytes, query.nameEnd);
  const truncated = response.truncated ? Flag.TC : 0;
  bytes.writeUInt16BE(Flag.QR | Flag.RA | truncated | (query.flags & Flag.RD) | rcode, 2);
  if (!edns) return bytes;
  writeOpt(bytes, response.bytes.length, rcode);
  bytes.writeUInt16BE(bytes.readUInt16BE(10) + 1, 10);
  return bytes;
}
