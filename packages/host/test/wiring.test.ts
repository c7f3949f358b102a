import { expect, test } from "vitest";
import { createWiring, token } from "../src/wiring.ts";

const a = token<{ name: string }>("a");
const b = token<number>("b");
const c = token<string>("c");

test("makes each value once, on first use, with what it depends on", () => {
  let made = 0;
  const wiring = createWiring();
  wiring.bind(a, (resolve) => {
    made++;
    return { name: `a of ${resolve(b)}` };
  });
  wiring.value(b, 7);
  expect(made).toBe(0);
  expect(wiring.resolve(a)).toEqual({ name: "a of 7" });
  expect(wiring.resolve(a)).toBe(wiring.resolve(a));
  expect(made).toBe(1);
});

test("refuses a second binding of a token", () => {
  const wiring = createWiring();
  wiring.value(b, 1);
  expect(() => wiring.value(b, 2)).toThrow("b is bound twice");
  expect(() => wiring.bind(b, () => 3)).toThrow("b is bound twice");
  expect(wiring.resolve(b)).toBe(1);
});

test("names the path of a cycle", () => {
  const wiring = createWiring();
  wiring.bind(a, (resolve) => ({ name: resolve(c) }));
  wiring.bind(b, (resolve) => resolve(a).name.length);
  wiring.bind(c, (resolve) => String(resolve(b)));
  expect(() => wiring.resolve(a)).toThrow("these depend on each other: a -> c -> b -> a");
});

test("names what an unbound token was needed for", () => {
  const wiring = createWiring();
  wiring.bind(a, (resolve) => ({ name: resolve(c) }));
  expect(() => wiring.resolve(c)).toThrow("nothing is bound to c");
  expect(() => wiring.resolve(a)).toThrow("nothing is bound to a -> c");
});

test("resolves again after a failure, with a clean path", () => {
  const wiring = createWiring();
  let broken = true;
  wiring.bind(b, () => {
    if (broken) throw new Error("not now");
    return 1;
  });
  expect(() => wiring.resolve(b)).toThrow("not now");
  broken = false;
  expect(wiring.resolve(b)).toBe(1);
});

test("takes null and undefined as values", () => {
  const wiring = createWiring();
  const nothing = token<undefined>("nothing");
  wiring.value(nothing, undefined);
  expect(wiring.resolve(nothing)).toBeUndefined();
});

test("keeps two compositions apart", () => {
  const [one, two] = [createWiring(), createWiring()];
  one.value(b, 1);
  two.value(b, 2);
  expect([one.resolve(b), two.resolve(b)]).toEqual([1, 2]);
  expect(one.tokens).toEqual([b]);
});
