import { describe, expect, it } from "vitest";
import { formatDuration, since } from "../src/table/age.ts";

const S = 1;
const M = 60;
const H = 60 * M;
const D = 24 * H;
const Y = 365 * D;

describe("ages in a table", () => {
  it.each<[seconds: number, text: string]>([
    [-2 * S, "<invalid>"],
    [-1 * S, "0s"],
    [0, "0s"],
    [5 * S, "5s"],
    [119 * S, "119s"],
    [2 * M, "2m"],
    [2 * M + 10 * S, "2m10s"],
    [9 * M + 59 * S, "9m59s"],
    [10 * M + 59 * S, "10m"],
    [179 * M + 59 * S, "179m"],
    [3 * H, "3h"],
    [3 * H + 5 * M + 9 * S, "3h5m"],
    [7 * H + 59 * M, "7h59m"],
    [8 * H + 59 * M, "8h"],
    [47 * H + 59 * M, "47h"],
    [2 * D, "2d"],
    [2 * D + 3 * H, "2d3h"],
    [7 * D + 23 * H, "7d23h"],
    [8 * D + 23 * H, "8d"],
    [400 * D, "400d"],
    [2 * Y - S, "729d"],
    [2 * Y, "2y"],
    [2 * Y + 10 * D, "2y10d"],
    [7 * Y + 364 * D, "7y364d"],
    [8 * Y + 364 * D, "8y"],
    [100 * Y, "100y"],
  ])("%d s read %s", (seconds, text) => {
    expect(formatDuration(seconds * 1000)).toBe(text);
  });

  it("cuts off what is less than a second", () => {
    expect(formatDuration(1999)).toBe("1s");
    expect(formatDuration(-999)).toBe("0s");
  });

  it("counts from a timestamp, and knows none without one", () => {
    const now = Date.parse("2024-05-06T07:08:09Z");
    expect(since("2024-05-06T07:08:04Z", now)).toBe("5s");
    expect(since("2024-05-06T09:08:04.5+02:00", now)).toBe("4s");
    expect(since(undefined, now)).toBe("<unknown>");
    expect(since("soon", now)).toBe("<unknown>");
  });
});
