import { describe, expect, it } from "vitest";
import { isHonoured, maxWeightedSlots, spreadOver } from "../src/nftables/spread.ts";
import { endpointAt } from "../src/testing.ts";

const at = (last: number, weight = 1) => endpointAt({ address: `10.244.1.${last}`, port: 80 }, weight);
const lasts = (spread: ReturnType<typeof spreadOver>): string =>
  (spread?.slots ?? []).map(({ address }) => address.slice("10.244.1.".length)).join(" ");

describe("endpoints get numbers", () => {
  it("in order, each one, where they weigh the same", () => {
    expect(lasts(spreadOver([at(1, 7), at(2, 7), at(3, 7)], undefined, []))).toBe("1 2 3");
  });

  it("as many as their weights say, without the common divisor", () => {
    expect(lasts(spreadOver([at(1, 20), at(2, 60), at(3, 0)], "random", []))).toBe("1 2 2 2");
  });

  it("a bounded number of them, the lightest too, where weights are far apart", () => {
    const spread = spreadOver([at(1, 1), at(2, 65_535), at(3, 30_000)], undefined, []);
    expect(spread?.slots.length).toBeLessThanOrEqual(maxWeightedSlots + 3);
    expect(new Set(spread?.slots.map(({ key }) => key)).size).toBe(3);
  });

  it("that they keep when others come and go", () => {
    const before = spreadOver([at(1), at(2), at(3), at(4)], undefined, []);
    const keys = before?.slots.map(({ key }) => key) ?? [];
    expect(lasts(spreadOver([at(1), at(3), at(4)], undefined, keys))).toBe("1 4 3");
    expect(lasts(spreadOver([at(0), at(1), at(2), at(3), at(4)], undefined, keys))).toBe("1 2 3 4 0");
    expect(lasts(spreadOver([at(1), at(9), at(3), at(4)], undefined, keys))).toBe("1 9 3 4");
  });

  it("none where no endpoint takes new connections", () => {
    expect(spreadOver([at(1, 0)], undefined, [])).toBeUndefined();
    expect(spreadOver([], "mh", [])).toBeUndefined();
  });

  it("in turns of their weights for wrr, not in a row", () => {
    const spread = spreadOver([at(1, 3), at(2, 1)], "wrr", []);
    expect(spread?.picker).toBe("turn");
    expect(lasts(spread)).toBe("1 1 2 1");
  });

  it("each one for rr, whatever they weigh", () => {
    expect(lasts(spreadOver([at(1, 3), at(2, 1)], "rr", []))).toBe("1 2");
  });

  it("by key for hashes, so that every node has the same", () => {
    expect(spreadOver([at(1), at(2)], "sh", ["10.244.1.2:80", "10.244.1.1:80"])).toMatchObject({ picker: "source" });
    expect(lasts(spreadOver([at(1), at(2)], "sh", ["10.244.1.2:80", "10.244.1.1:80"]))).toBe("1 2");
    expect(spreadOver([at(1), at(2)], "dh", [])?.picker).toBe("destination");
  });

  it("of a Maglev table for mh: of those that stay, hardly any moves when one leaves", () => {
    const five = [1, 2, 3, 4, 5].map((last) => at(last));
    const before = spreadOver(five, "mh", []);
    const after = spreadOver(five.slice(1), "mh", []);
    expect(before?.slots).toHaveLength(251);
    const stayed = before?.slots.flatMap(({ key }, slot) =>
      key === at(1).key ? [] : [key === after?.slots[slot]?.key],
    );
    expect((stayed ?? []).filter(Boolean).length / (stayed?.length ?? 1)).toBeGreaterThan(0.9);
    for (const { key } of five) {
      const share = (before?.slots.filter((slot) => slot.key === key).length ?? 0) / 251;
      expect(share).toBeGreaterThan(0.15);
    }
  });
});

describe("schedulers", () => {
  it("that count connections are not for rules", () => {
    expect((["lc", "wlc", "sed", "nq", "p2c"] as const).filter(isHonoured)).toEqual([]);
    expect((["rr", "wrr", "random", "sh", "dh", "mh"] as const).filter(isHonoured)).toHaveLength(6);
    expect(isHonoured(undefined)).toBe(true);
    expect(spreadOver([at(1), at(2)], "lc", [])?.picker).toBe("random");
  });
});
