/** How upstreams are chosen, checked, kept answers of, and left out. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { eventually, FakeClock, freePort, seededRandom } from "@fairlead/testkit";
import { describe, expect, it } from "vitest";
import { forwardPolicies, orderBy } from "../src/forward/policy.ts";
import { MAX_RESPONSES, ResponseCache } from "../src/forward/response-cache.ts";
import type { Response } from "../src/forward/response.ts";
import { MAX_CONCURRENT } from "../src/forward/forwarder.ts";
import { ask, queryBytes, read } from "./support/client.ts";
import { makeHandler } from "./support/handler.ts";
import { stateOf } from "./support/objects.ts";
import { startServer, startServerWith } from "./support/server.ts";
import { steeredClock } from "./support/steered-clock.ts";
import { fakeUpstream } from "./support/upstream.ts";

const name = "www.example.org.";

describe("policies", () => {
  it.each(forwardPolicies)("%s asks each upstream once at most", (policy) => {
    const order = orderBy(policy, seededRandom(1));
    for (let round = 0; round < 20; round++) expect(order(["a", "b", "c"]).toSorted()).toEqual(["a", "b", "c"]);
    expect(order(["a"])).toEqual(["a"]);
  });

  it("begin where they say", () => {
    const firsts = (policy: (typeof forwardPolicies)[number]): string[] => {
      const order = orderBy(policy, seededRandom(1));
      return Array.from({ length: 30 }, () => order(["a", "b", "c"])[0] ?? "");
    };
    expect(new Set(firsts("sequential"))).toEqual(new Set(["a"]));
    expect(firsts("round_robin").slice(0, 6)).toEqual(["a", "b", "c", "a", "b", "c"]);
    expect(new Set(firsts("random"))).toEqual(new Set(["a", "b", "c"]));
    expect(firsts("random").join("")).not.toContain("abcabcabc");
  });
});

describe("kept responses", () => {
  const response = (overrides: Partial<Response> = {}): Response => ({
    bytes: Buffer.alloc(40),
    rcode: 0,
    truncated: false,
    ttlsAt: [],
    ttl: 60,
    negative: false,
    ...overrides,
  });
  const cache = () => {
    const clock = new FakeClock();
    const evicted: boolean[] = [];
    return { clock, evicted, cache: new ResponseCache({ clock, evicted: (negative) => evicted.push(negative) }) };
  };

  it.each([
    ["an answer, for its TTL", response(), 60],
    ["one with a short TTL, 5 s", response({ ttl: 1 }), 5],
    ["one with a long TTL, an hour", response({ ttl: 86_400 }), 3_600],
    ["a denial, as its SOA says", response({ rcode: 3, negative: true, ttl: 30 }), 30],
    ["a denial with a long one, half an hour", response({ negative: true, ttl: 86_400 }), 1_800],
    ["a failure, 5 s", response({ rcode: 2, negative: true, ttl: 0 }), 5],
    ["one that forbids it, not at all", response({ ttl: 0 }), 0],
    ["a denial without a SOA, not at all", response({ negative: true, ttl: 0 }), 0],
    ["a truncated one, not at all", response({ truncated: true }), 0],
    ["a refusal, not at all", response({ rcode: 5, negative: true, ttl: 60 }), 0],
    ["a very large one, not at all", response({ bytes: Buffer.alloc(5_000) }), 0],
  ])("are %s, and nothing after that", async (_, given, seconds) => {
    const { cache: kept, clock } = cache();
    kept.keep("q", given);
    if (seconds > 0) {
      await clock.advance(seconds * 1_000 - 1);
      expect(kept.get("q")).toEqual({ response: given, age: seconds - 1 });
      await clock.advance(1);
    }
    expect(kept.get("q")).toBeUndefined();
    expect(kept.sizes).toEqual({ success: 0, denial: 0 });
  });

  it("are no more than a bound of each kind: denials push no answer out, and what was used stays longest", () => {
    const { cache: kept, evicted } = cache();
    kept.keep("first", response());
    kept.keep("second", response());
    for (let index = 0; index < MAX_RESPONSES + 10; index++) kept.keep(`no-${index}`, response({ negative: true }));
    expect(kept.sizes).toEqual({ success: 2, denial: MAX_RESPONSES });
    expect(evicted).toEqual(Array.from({ length: 10 }, () => true));
    for (let index = 0; index < MAX_RESPONSES - 2; index++) kept.keep(`yes-${index}`, response());
    kept.get("first");
    kept.keep("last", response());
    expect(kept.get("second")).toBeUndefined();
    expect(kept.get("first")).toBeDefined();
    expect(evicted.slice(10)).toEqual([false]);
  });

  it("are of one kind only: an answer takes the place of a denial", () => {
    const { cache: kept } = cache();
    kept.keep("q", response({ negative: true }));
    kept.keep("q", response());
    expect(kept.sizes).toEqual({ success: 1, denial: 0 });
  });
});

describe("an answer of another server", () => {
  it("ages, is asked for again when it is old, and is not served beyond", async () => {
    const clock = steeredClock();
    await using there = await fakeUpstream({ records: [{ kind: "A", ttl: 30 }] });
    await using here = await startServerWith(
      { clock },
      stateOf(),
      `--upstreams=${there.address}`,
      "--forward-timeout=50ms",
    );
    const ttl = async (): Promise<number | undefined> => (await ask(here.port, name, "A")).message.answers[0]?.ttl;
    expect(await ttl()).toBe(30);
    clock.skip(12_000);
    expect(await ttl()).toBeOneOf([17, 18]);
    expect(there.count()).toBe(1);
    there.mute(true);
    clock.skip(18_000);
    expect((await ask(here.port, name, "A")).rcode).toBe("SERVFAIL");
  });

  it("says no for as long as the SOA's minimum, with an alias too", async () => {
    for (const alias of [[], [{ kind: "CNAME", ttl: 3_000 }]] as const) {
      const clock = steeredClock();
      await using there = await fakeUpstream({ records: alias, soa: { ttl: 300, minimum: 20 } });
      await using here = await startServerWith({ clock }, stateOf(), "--upstreams", there.address);
      const asked = async (): Promise<number> => {
        expect(await ask(here.port, name, "A")).toMatchObject({ rcode: "NOERROR", authority: ["example.org. SOA"] });
        return there.count();
      };
      expect(await asked()).toBe(1);
      clock.skip(15_000);
      expect(await asked()).toBe(1);
      clock.skip(6_000);
      expect(await asked()).toBe(2);
    }
  });
});

describe("upstreams", () => {
  it("are not checked while they answer, and after a failure until they do", async () => {
    await using there = await fakeUpstream({ records: [{ kind: "A", ttl: 0 }] });
    await using here = await startServer(stateOf(), "--upstreams", there.address, "--forward-timeout", "50ms");
    for (let index = 0; index < 5; index++) await ask(here.port, name, "A");
    expect(there.checks()).toBe(0);
    there.mute(true);
    expect((await ask(here.port, name, "A")).rcode).toBe("SERVFAIL");
    there.mute(false);
    await eventually(() => expect(there.checks()).toBe(1));
    expect((await ask(here.port, name, "A")).answers).toHaveLength(1);
    expect(there.checks()).toBe(1);
  });

  it("count the checks that got no answer, and are asked all the same where there is no other", async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    await using here = await startServer(stateOf(), "--upstreams", nobody, "--forward-timeout", "50ms");
    for (let index = 0; index < 3; index++) expect((await ask(here.port, name, "A")).rcode).toBe("SERVFAIL");
    await eventually(async () => {
      const text = await here.metrics();
      expect(text).toMatch(
        new RegExp(`^coredns_proxy_healthcheck_failures_total\\{proxy_name="forward",to="${nobody}"\\} [1-9]`, "m"),
      );
      expect(text).toContain("coredns_forward_healthcheck_broken_total 1");
    });
  });

  it("are asked no more than so many questions at once: the next is refused", async () => {
    await using silent = await fakeUpstream({ mute: true });
    const { handler } = makeHandler([{ host: "127.0.0.1", port: silent.port }]);
    const rcode = async (label: string): Promise<string> => {
      const answer = await handler.handle(queryBytes(`${label}.${name}`, "A"), { tcp: false, v6: false });
      return answer === undefined ? "none" : read(answer).rcode;
    };
    const waiting = Array.from({ length: MAX_CONCURRENT }, (_, index) => rcode(`q-${index}`));
    // Who asks what is being asked already joins in.
    const joins = rcode("q-0");
    expect(await rcode("one-too-many")).toBe("REFUSED");
    expect(new Set(await Promise.all([...waiting, joins]))).toEqual(new Set(["SERVFAIL"]));
  });

  it("that lead back here are found and left out; others are asked", async () => {
    await using there = await fakeUpstream({ records: [{ kind: "A", ttl: 60 }] });
    await using middle = await relay();
    await using here = await startServer(
      stateOf(),
      `--upstreams=127.0.0.1:${middle.port},${there.address}`,
      "--forward-policy=sequential",
    );
    middle.leadTo(here.port);
    const loop = `fairlead_dns_forward_loop{to="127.0.0.1:${middle.port}"} 1`;
    await eventually(async () => expect(await here.metrics()).toContain(loop), { timeoutMs: 15_000 });
    const before = middle.count();
    expect((await ask(here.port, name, "A")).answers).toHaveLength(1);
    expect(middle.count()).toBe(before);
    await using alone = await startServer(stateOf(), "--upstreams", `127.0.0.1:${middle.port}`);
    middle.leadTo(alone.port);
    await eventually(async () => expect(await alone.metrics()).toContain(loop), { timeoutMs: 15_000 });
    expect((await ask(alone.port, name, "A")).rcode).toBe("SERVFAIL");
  });
});

/** A resolver that knows nothing itself and asks another one, as a machine's own does. */
async function relay(): Promise<
  AsyncDisposable & { readonly port: number; leadTo(port: number): void; count(): number }
> {
  const socket = createSocket("udp4");
  let target = 0;
  let count = 0;
  const waiting = new Map<number, number>();
  socket.on("message", (bytes, from) => {
    const id = bytes.readUInt16BE(0);
    if (from.port === target) {
      socket.send(bytes, waiting.get(id) ?? target, "127.0.0.1");
      return;
    }
    count += 1;
    waiting.set(id, from.port);
    if (target !== 0) socket.send(bytes, target, "127.0.0.1");
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    port: socket.address().port,
    leadTo: (port) => void (target = port),
    count: () => count,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}
