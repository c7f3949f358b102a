/** The corpus: requests that one server reads otherwise than the next, from the literature and from our own fuzzing. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ingress } from "./support/ingress-objects.ts";
import { ProxyStand } from "./support/proxy-stand.ts";

const folder = fileURLToPath(new URL("corpus/", import.meta.url));
const names = readdirSync(folder).flatMap((file) => (file.endsWith(".http") ? [file.slice(0, -".http".length)] : []));
const stand = new ProxyStand();
let reached: string[] = [];

beforeAll(async () => {
  await stand.start();
  const address = await stand.backend("127.12.0.1", (request, response) => {
    reached.push(`${request.method} ${request.url} ${request.headers.upgrade ?? ""}`.trim());
    request.resume().on("end", () => response.end("ok"));
  });
  stand.service("web", [address]);
  stand.routes(ingress("web", { "a.example.org": [{ path: "/", service: "web" }] }));
});

afterAll(() => stand[Symbol.asyncDispose]());

describe("the corpus", () => {
  test("is described", () => {
    const described = [...readFileSync(`${folder}README.md`, "utf8").matchAll(/^\| `([^`]+)` \|/gm)].map(
      ([, name]) => name,
    );
    expect(new Set(described)).toEqual(new Set(names));
  });

  test.each(names)("%s", async (name) => {
    reached = [];
    const status = Number(name.slice(0, 3));
    const answered = await stand.raw(readFileSync(`${folder}${name}.http`), status === 200 ? 150 : 2_000);
    expect(answered).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(reached.filter((line) => line.includes("smuggled") || line.includes("h2c"))).toEqual([]);
    // One answer, whatever else was sent.
    expect(answered.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
    expect(reached.length).toBeLessThanOrEqual(1);
    if (status !== 200) expect(answered).toMatch(/\r\nconnection: close\r\n/);
  });
});
