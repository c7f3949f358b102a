import { seededRandom } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { AnswerCache, MAX_ANSWERS, MAX_NEGATIVE_ANSWERS } from "../src/answer-cache.ts";
import { RecordType } from "../src/wire/constants.ts";
import type { ZoneAnswer } from "../src/zone/zone-answer.ts";
import type { Tag } from "../src/zone/zone-index.ts";

const question = { name: ["web"], type: RecordType.A, class: 1 };
const tag = (text: string): Tag => `name:${text}`;

function answer(records: number, ...tags: Tag[]): ZoneAnswer {
  const record = { name: ["web"], class: 1, ttl: 5, data: { kind: "CNAME", target: ["other"] } } as const;
  return { rcode: 0, answers: Array.from({ length: records }, () => record), authority: [], additional: [], tags };
}

describe("prepared answers", () => {
  test.each([
    ["with records", 1, MAX_ANSWERS],
    ["without", 0, MAX_NEGATIVE_ANSWERS],
  ])("%s are kept up to a bound, the newest of them", (_what, records, most) => {
    const cache = new AnswerCache({ random: seededRandom(1) });
    const other = cache.keep("other kind", question, answer(records === 0 ? 1 : 0));
    for (let index = 0; index < most + 10; index++) cache.keep(`key ${index}`, question, answer(records));
    expect(cache.size).toBe(most + 1);
    expect(cache.get("key 9")).toBeUndefined();
    expect(cache.get("key 10")).toBeDefined();
    expect(cache.get("other kind")).toBe(other);
  });

  test("go with any of their tags, and leave nothing behind that would push others out", () => {
    const cache = new AnswerCache({ random: seededRandom(1) });
    for (let index = 0; index < MAX_NEGATIVE_ANSWERS; index++) {
      cache.keep(`key ${index}`, question, answer(0, tag("all"), tag(String(index % 2))));
    }
    cache.drop(new Set([tag("0")]));
    expect(cache.size).toBe(MAX_NEGATIVE_ANSWERS / 2);
    expect([cache.get("key 2"), cache.get("key 3") === undefined]).toEqual([undefined, false]);
    cache.drop(new Set([tag("all"), tag("unknown")]));
    expect(cache.size).toBe(0);
  });

  test("are replaced under the same key, also by one of the other kind", () => {
    const cache = new AnswerCache({ random: seededRandom(1) });
    cache.keep("key", question, answer(0, tag("old")));
    const second = cache.keep("key", question, answer(1, tag("new")));
    cache.drop(new Set([tag("old")]));
    expect(cache.get("key")).toBe(second);
    for (let index = 0; index < MAX_NEGATIVE_ANSWERS; index++) cache.keep(`no ${index}`, question, answer(0));
    expect(cache.get("key")).toBe(second);
    expect(cache.size).toBe(MAX_NEGATIVE_ANSWERS + 1);
  });
});
