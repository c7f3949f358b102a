import { createSocket } from "node:dgram";
import { once } from "node:events";
import { ipAddress } from "@fairlead/types";
import { freePort } from "@fairlead/testkit";
import { describe, expect, it } from "vitest";
import { RecordType } from "../src/wire/constants.ts";
import { decodeMessage, encodeMessage } from "../src/wire/message.ts";
import { ask } from "./support/client.ts";
import { asValue, endpoint, service, slice, stateOf } from "./support/objects.ts";
import { startServer } from "./support/server.ts";

/** A server of another zone, which is one of ours with another cluster domain. */
const other = async (...flags: readonly string[]) =>
  startServer(
    stateOf(
      asValue.service(service("api", { clusterIPs: [ipAddress("203.0.113.7")] })),
      asValue.service(service("many", { headless: true })),
      asValue.slice(
        slice(
          "many",
          Array.from({ length: 200 }, (_, index) => endpoint(`203.0.113.${index}`)),
        ),
      ),
    ),
    "--cluster-domain",
    "example.org",
    ...flags,
  );
const api = "api.default.svc.example.org.";

/** Answers every query with these flags, after it was counted; without flags it stays silent. */
async function upstream(flags: number | undefined): Promise<AsyncDisposable & { port: number; count: () => number }> {
  const socket = createSocket("udp4");
  let count = 0;
  socket.on("message", (bytes, client) => {
    const query = decodeMessage(bytes);
    const { name = [], type } = query.questions[0] ?? {};
    // Neither health checks nor probes for loops count.
    if (name.length > 0 && type !== RecordType.HINFO) count += 1;
    if (flags === undefined) return;
    socket.send(encodeMessage({ ...query, flags, additional: [] }), client.port, client.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    port: socket.address().port,
    count: () => count,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

describe("names of other zones", () => {
  it("are asked for once and then kept, with the client's id and case, and recursion available", async () => {
    await using there = await other("--ttl", "60");
    await using here = await startServer(stateOf(), "--upstreams", `127.0.0.1:${there.port}`);
    for (const name of [api, api.toUpperCase()]) {
      const { answers, message } = await ask(here.port, name, "A", { room: 1232 });
      expect(answers).toEqual([`${name} A 203.0.113.7`]);
      expect(message.id).toBe(0x1234);
      expect(message.flags & 0x0480).toBe(0x0080);
    }
    const gone = await ask(here.port, "gone.default.svc.example.org.", "A");
    expect(gone).toMatchObject({ rcode: "NXDOMAIN", authority: ["example.org. SOA"] });
    await ask(here.port, "gone.default.svc.example.org.", "A");
    const text = await here.metrics();
    expect(text).toContain('coredns_cache_hits_total{server="dns",view="",zones=".",type="success"} 1');
    expect(text).toContain('coredns_cache_hits_total{server="dns",view="",zones=".",type="denial"} 1');
    expect(text).toContain('coredns_cache_requests_total{server="dns",view="",zones="."} 4');
    expect(text).toContain('coredns_cache_misses_total{server="dns",view="",zones="."} 2');
    expect(text).toContain('coredns_cache_entries{server="dns",view="",zones=".",type="success"} 1');
    expect(text).toContain('coredns_cache_entries{server="dns",view="",zones=".",type="denial"} 1');
  });

  it("come whole over TCP, and with the TC bit where there is no room", async () => {
    await using there = await other();
    await using here = await startServer(stateOf(), "--upstreams", `127.0.0.1:${there.port}`);
    const many = "many.default.svc.example.org.";
    expect((await ask(here.port, many, "A", { tcp: true })).answers).toHaveLength(200);
    const cut = await ask(here.port, many, "A");
    expect(cut.answers).toEqual([]);
    expect(cut.message.flags & 0x0200).toBe(0x0200);
  });

  it("go to the next upstream where one is silent or gone, and to the silent one no more", async () => {
    await using there = await other();
    await using silent = await upstream(undefined);
    const upstreams = `127.0.0.1:${silent.port},127.0.0.1:${await freePort()},127.0.0.1:${there.port}`;
    await using here = await startServer(
      stateOf(),
      "--upstreams",
      upstreams,
      "--forward-policy",
      "sequential",
      "--forward-timeout",
      "100ms",
    );
    for (let index = 0; index < 5; index++) {
      expect((await ask(here.port, `gone-${index}.${api}`, "A")).rcode).toBe("NXDOMAIN");
    }
    expect(silent.count()).toBe(2);
  });

  it("are SERVFAIL where nobody answers, and REFUSED where there is nobody", async () => {
    await using silent = await upstream(undefined);
    await using here = await startServer(
      stateOf(),
      "--upstreams",
      `127.0.0.1:${silent.port}`,
      "--forward-timeout",
      "50ms",
    );
    expect((await ask(here.port, api, "A")).rcode).toBe("SERVFAIL");
    await using alone = await startServer(stateOf());
    expect((await ask(alone.port, api, "A")).rcode).toBe("REFUSED");
  });

  it("keep an upstream's failure for a moment", async () => {
    await using failing = await upstream(0x8082);
    await using here = await startServer(stateOf(), "--upstreams", `127.0.0.1:${failing.port}`);
    for (let index = 0; index < 3; index++) expect((await ask(here.port, api, "A")).rcode).toBe("SERVFAIL");
    expect(failing.count()).toBe(1);
  });

  it("go round the upstreams in turn", async () => {
    await using first = await upstream(0x8083);
    await using second = await upstream(0x8083);
    await using here = await startServer(
      stateOf(),
      "--upstreams",
      `127.0.0.1:${first.port},127.0.0.1:${second.port}`,
      "--forward-policy",
      "round_robin",
    );
    for (let index = 0; index < 6; index++) await ask(here.port, `${index}.${api}`, "A");
    expect([first.count(), second.count()]).toEqual([3, 3]);
  });

  it("of a stub domain go to its servers, those below it too, and nothing else does", async () => {
    await using there = await other();
    await using rest = await upstream(0x8083);
    await using here = await startServer(
      stateOf(),
      "--upstreams",
      `127.0.0.1:${rest.port}`,
      "--stub-domains",
      `Example.ORG=127.0.0.1:${there.port}`,
    );
    expect((await ask(here.port, api, "A")).answers).toEqual([`${api} A 203.0.113.7`]);
    expect((await ask(here.port, "www.example.net.", "A")).rcode).toBe("NXDOMAIN");
    expect(rest.count()).toBe(1);
  });
});

describe("an ExternalName", () => {
  it("is followed where a server below knows it, and stands alone where none does", async () => {
    await using there = await other();
    const alias = "alias.default.svc.cluster.local.";
    const state = stateOf(asValue.service(service("alias", { type: "ExternalName", externalName: api.slice(0, -1) })));
    await using here = await startServer(state, "--upstreams", `127.0.0.1:${there.port}`);
    expect((await ask(here.port, alias, "A")).answers).toEqual([`${alias} CNAME ${api}`, `${api} A 203.0.113.7`]);
    await using silent = await upstream(undefined);
    await using cut = await startServer(state, "--upstreams", `127.0.0.1:${silent.port}`, "--forward-timeout", "50ms");
    expect(await ask(cut.port, alias, "A")).toMatchObject({ rcode: "NOERROR", answers: [`${alias} CNAME ${api}`] });
  });
});

describe("reverse names", () => {
  it("that nothing here has are asked for elsewhere; names of the cluster never are", async () => {
    await using rest = await upstream(0x8083);
    await using here = await startServer(
      stateOf(asValue.service(service("web", { clusterIPs: [ipAddress("10.96.0.1")] }))),
      "--upstreams",
      `127.0.0.1:${rest.port}`,
    );
    expect((await ask(here.port, "1.0.96.10.in-addr.arpa.", "PTR")).answers).toHaveLength(1);
    expect((await ask(here.port, "gone.cluster.local.", "A")).rcode).toBe("NXDOMAIN");
    expect(rest.count()).toBe(0);
    expect((await ask(here.port, "9.0.96.10.in-addr.arpa.", "PTR")).rcode).toBe("NXDOMAIN");
    expect(rest.count()).toBe(1);
  });
});
