/**
 * Answers of our own zones as bytes, by question. There is no time limit: an answer holds until the change that affects it drops it.
 */
import type { Random } from "@fairlead/types";
import { rooms, writeAnswer } from "./answer-bytes.ts";
import type { AnswerBytes, Room } from "./answer-bytes.ts";
import type { Question } from "./wire/message.ts";
import type { ZoneAnswer } from "./zone/zone-answer.ts";
import type { Tag } from "./zone/zone-index.ts";

/** Answers with records that are kept; beyond, the oldest is made anew when it is asked for again. */
export const MAX_ANSWERS = 65_536;

/** Answers that say no that are kept; apart, so that a flood of made-up names does not push the others out. */
export const MAX_NEGATIVE_ANSWERS = 32_768;

/** Orders of an answer with several records that are kept; after each was used, new ones are drawn. */
const MAX_ORDERS = 8;

/** Bytes of orders that are kept of one answer and room: large sets keep fewer. */
const MAX_ORDER_BYTES = 16_384;

/** An answer that is kept, with what was written of it so far. */
export class PreparedAnswer {
  readonly question: Question;
  readonly answer: ZoneAnswer;
  readonly #random: Random;
  readonly #written: (AnswerBytes[] | undefined)[] = Array.from({ length: rooms });
  readonly #orders: number;
  #turn = 0;

  constructor(question: Question, answer: ZoneAnswer, random: Random) {
    this.question = question;
    this.answer = answer;
    this.#random = random;
    this.#orders = answer.answers.length < 2 ? 1 : MAX_ORDERS;
  }

  /** The answer for this much room; another order each time. Not to be changed by the caller. */
  bytes(room: Room): AnswerBytes {
    let written = this.#written[room];
    if (written === undefined) {
      written = [];
      this.#written[room] = written;
    }
    if (this.#orders === 1 && written[0] !== undefined) return written[0];
    const size = written[0]?.bytes.length ?? 0;
    const most = Math.max(1, Math.min(this.#orders, Math.floor(MAX_ORDER_BYTES / Math.max(1, size))));
    if (written.length >= most) {
      this.#turn += 1;
      if (this.#turn < most * MAX_ORDERS) return written[this.#turn % most] ?? this.#write(written, room);
      this.#turn = 0;
      written.length = 0;
    }
    return this.#write(written, room);
  }

  #write(written: AnswerBytes[], room: Room): AnswerBytes {
    const made = writeAnswer(this.question, this.answer, room, this.#random);
    written.push(made);
    return made;
  }
}

/** Keys in the order in which they came, each in a place of its own: the first of a Set is found only past all that were deleted. */
class Places {
  readonly #keys: (string | undefined)[];
  #next = 0;

  constructor(count: number) {
    this.#keys = Array.from({ length: count });
  }

  /** Takes the next place; returns it, and whose it was. */
  take(key: string): { readonly place: number; readonly before: string | undefined } {
    const place = this.#next;
    const before = this.#keys[place];
    this.#keys[place] = key;
    this.#next = (place + 1) % this.#keys.length;
    return { place, before };
  }

  free(place: number): void {
    this.#keys[place] = undefined;
  }
}

interface Kept {
  readonly prepared: PreparedAnswer;
  readonly places: Places;
  readonly place: number;
}

/** See the module. Keys are a question's bytes as Latin-1 text, its name in lower case. */
export class AnswerCache {
  readonly #random: Random;
  readonly #answers = new Map<string, Kept>();
  readonly #positive = new Places(MAX_ANSWERS);
  readonly #negative = new Places(MAX_NEGATIVE_ANSWERS);
  readonly #byTag = new Map<Tag, Set<string>>();

  constructor(options: { readonly random: Random }) {
    this.#random = options.random;
  }

  get size(): number {
    return this.#answers.size;
  }

  get(key: string): PreparedAnswer | undefined {
    return this.#answers.get(key)?.prepared;
  }

  /** Keeps an answer until one of its tags is dropped, or as many others of its kind came after it as are kept. */
  keep(key: string, question: Question, answer: ZoneAnswer): PreparedAnswer {
    const prepared = new PreparedAnswer(question, answer, this.#random);
    const places = answer.answers.length === 0 ? this.#negative : this.#positive;
    this.#remove(key);
    const { place, before } = places.take(key);
    if (before !== undefined) this.#remove(before, false);
    this.#answers.set(key, { prepared, places, place });
    for (const tag of answer.tags) {
      const keys = this.#byTag.get(tag) ?? new Set<string>();
      this.#byTag.set(tag, keys.add(key));
    }
    return prepared;
  }

  /** Drops every answer that rests on one of the tags. */
  drop(tags: ReadonlySet<Tag>): void {
    for (const tag of tags) for (const key of this.#byTag.get(tag) ?? []) this.#remove(key);
  }

  #remove(key: string, free = true): void {
    const held = this.#answers.get(key);
    if (held === undefined) return;
    this.#answers.delete(key);
    if (free) held.places.free(held.place);
    for (const tag of held.prepared.answer.tags) {
      const keys = this.#byTag.get(tag);
      keys?.delete(key);
      if (keys?.size === 0) this.#byTag.delete(tag);
    }
  }
}
