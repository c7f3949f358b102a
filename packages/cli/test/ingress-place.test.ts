// Which ports the ingress takes. The usual ones are the machine's: the tests only look at what becomes of them.
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { findIngressPlace, IngressPortUnusableError } from "../src/stack/ingress-place.ts";

async function occupy(port: number): Promise<AsyncDisposable & { port: number; mine: boolean }> {
  const server = createServer().listen(port, "127.0.0.1");
  const mine = await once(server, "listening").then(
    () => true,
    () => false,
  );
  return {
    port: mine ? (server.address() as AddressInfo).port : port,
    mine,
    async [Symbol.asyncDispose]() {
      if (!mine) return;
      server.close();
      await once(server, "close");
    },
  };
}

describe("the ports of the ingress", () => {
  test("are those asked for, without a word", async () => {
    const free = await findIngressPlace({ httpPort: 0, httpsPort: 0 });
    expect(free.notices).toEqual([]);
    expect(free.http).not.toBe(free.https);
    const asked = { httpPort: free.http, httpsPort: free.https };
    expect(await findIngressPlace(asked)).toEqual({ ...free, address: "127.0.0.1" });
  });

  test("that were asked for and are taken are an error that names the option", async () => {
    await using taken = await occupy(0);
    const failure = findIngressPlace({ httpPort: taken.port, httpsPort: 0 });
    await expect(failure).rejects.toThrow(IngressPortUnusableError);
    await expect(failure).rejects.toThrow(`127.0.0.1:${taken.port} is in use; --http-port takes another one`);
  });

  test("are free ones, and it is said, where nobody asked and the usual ones are taken", async () => {
    await using http = await occupy(8080);
    await using https = await occupy(8443);
    const place = await findIngressPlace({ httpPort: undefined, httpsPort: undefined });
    expect([http.port, https.port]).not.toContain(place.http);
    expect(place.notices).toEqual([
      `127.0.0.1:8080 is in use: the ingress listens at port ${place.http} for http instead`,
      `127.0.0.1:8443 is in use: the ingress listens at port ${place.https} for https instead`,
    ]);
  });
});
