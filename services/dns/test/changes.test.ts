import { ipAddress, port } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { ask } from "./support/client.ts";
import { asValue, down, endpoint, service, servicePort, slice, stateOf } from "./support/objects.ts";
import { startServer } from "./support/server.ts";
import type { TestServer } from "./support/server.ts";

const web = "web.default.svc.cluster.local.";
const webAt = (address: string) =>
  asValue.service(service("web", { clusterIPs: [ipAddress(address)], ports: [servicePort("http", 80)] }));

describe("a change", () => {
  it("is answered at once: a new Service, a changed one, a deleted one, and its reverse name", async () => {
    await using server = await startServer(stateOf());
    const namespace = "default.svc.cluster.local.";
    expect((await ask(server.port, web, "A")).rcode).toBe("NXDOMAIN");
    expect((await ask(server.port, namespace, "A")).rcode).toBe("NXDOMAIN");
    await server.put(webAt("10.96.0.1"));
    expect((await ask(server.port, web, "A")).answers).toEqual([`${web} A 10.96.0.1`]);
    expect((await ask(server.port, namespace, "A")).rcode).toBe("NOERROR");
    expect((await ask(server.port, "1.0.96.10.in-addr.arpa.", "PTR")).answers).toHaveLength(1);
    await server.put(webAt("10.96.0.2"));
    expect((await ask(server.port, web, "A")).answers).toEqual([`${web} A 10.96.0.2`]);
    expect((await ask(server.port, "1.0.96.10.in-addr.arpa.", "PTR")).rcode).toBe("NXDOMAIN");
    expect((await ask(server.port, "2.0.96.10.in-addr.arpa.", "PTR")).answers).toHaveLength(1);
    await server.remove(webAt("10.96.0.2"));
    expect((await ask(server.port, web, "A")).rcode).toBe("NXDOMAIN");
    expect((await ask(server.port, namespace, "A")).rcode).toBe("NXDOMAIN");
    expect((await ask(server.port, "2.0.96.10.in-addr.arpa.", "PTR")).rcode).toBe("NXDOMAIN");
  });

  it("of an alias's target reaches the alias, and an ExternalName may become an address", async () => {
    const alias = "alias.default.svc.cluster.local.";
    await using server = await startServer(
      stateOf(asValue.service(service("alias", { type: "ExternalName", externalName: web.slice(0, -1) }))),
    );
    expect((await ask(server.port, alias, "A")).answers).toEqual([`${alias} CNAME ${web}`]);
    await server.put(webAt("10.96.0.1"));
    expect((await ask(server.port, alias, "A")).answers).toEqual([`${alias} CNAME ${web}`, `${web} A 10.96.0.1`]);
    await server.put(asValue.service(service("alias", { clusterIPs: [ipAddress("10.96.0.9")] })));
    expect((await ask(server.port, alias, "A")).answers).toEqual([`${alias} A 10.96.0.9`]);
  });

  it("of an endpoint's readiness changes a headless set, its endpoint names and its ports", async () => {
    const set = "set.default.svc.cluster.local.";
    const http = { name: "http", protocol: "TCP", port: port(8080) } as const;
    const first = endpoint("10.244.0.1", { hostname: "set-0" });
    await using server = await startServer(
      stateOf(asValue.service(service("set", { headless: true })), asValue.slice(slice("set", [first], [http]))),
    );
    expect((await ask(server.port, set, "A")).answers).toHaveLength(1);
    expect((await ask(server.port, `set-1.${set}`, "A")).rcode).toBe("NXDOMAIN");
    const second = endpoint("10.244.0.2", { hostname: "set-1" });
    await server.put(asValue.slice(slice("set", [first, second], [http])));
    expect((await ask(server.port, set, "A")).answers).toHaveLength(2);
    expect((await ask(server.port, `set-1.${set}`, "A")).answers).toHaveLength(1);
    expect((await ask(server.port, `_http._tcp.${set}`, "SRV")).answers).toHaveLength(2);
    await server.put(
      asValue.slice(
        slice(
          "set",
          [
            { ...first, ...down },
            { ...second, ...down },
          ],
          [http],
        ),
      ),
    );
    expect((await ask(server.port, set, "A")).rcode).toBe("NXDOMAIN");
    expect((await ask(server.port, `set-1.${set}`, "A")).rcode).toBe("NXDOMAIN");
  });
});

describe("the name of an address", () => {
  const reverse = "1.0.244.10.in-addr.arpa.";
  const names = async (server: TestServer): Promise<readonly string[]> =>
    (await ask(server.port, reverse, "PTR")).answers.map((line) => line.split(" ")[2]?.split(".")[1] ?? "").toSorted();

  it("follows the Services that have it, as they come and go", async () => {
    const at = (name: string, ...addresses: readonly string[]) =>
      asValue.slice(
        slice(
          name,
          addresses.map((address) => endpoint(address)),
        ),
      );
    await using server = await startServer(
      stateOf(asValue.service(service("a", { headless: true })), asValue.service(service("b")), at("a", "10.244.0.1")),
    );
    expect(await names(server)).toEqual(["a"]);
    await server.put(at("b", "10.244.0.1", "10.244.0.2"), asValue.service(service("c")), at("c", "10.244.0.1"));
    expect(await names(server)).toEqual(["a", "b", "c"]);
    await server.put(at("b", "10.244.0.2"));
    expect(await names(server)).toEqual(["a", "c"]);
    await server.remove(asValue.service(service("c")));
    expect(await names(server)).toEqual(["a"]);
    await server.put(at("a"));
    expect((await ask(server.port, reverse, "PTR")).rcode).toBe("NXDOMAIN");
    // A cluster IP goes before endpoints.
    await server.put(at("a", "10.244.0.1"), asValue.service(service("ip", { clusterIPs: [ipAddress("10.244.0.1")] })));
    expect((await ask(server.port, reverse, "PTR")).answers).toEqual([`${reverse} PTR ip.default.svc.cluster.local.`]);
  });
});

describe("before the first state", () => {
  it("nothing is said not to exist: SERVFAIL, and not ready", async () => {
    await using server = await startServer(undefined);
    expect(await ask(server.port, web, "A")).toMatchObject({ rcode: "SERVFAIL", authority: [] });
    expect((await ask(server.port, "1.0.96.10.in-addr.arpa.", "PTR")).rcode).toBe("SERVFAIL");
    expect((await fetch(`${server.dns.healthUrl}/readyz`)).status).toBe(503);
    expect((await fetch(`${server.dns.healthUrl}/healthz`)).status).toBe(200);
  });
});

describe("a large headless set", () => {
  const set = "set.default.svc.cluster.local.";
  const endpoints = Array.from({ length: 300 }, (_, index) => endpoint(`10.244.${index >> 8}.${index & 255}`));
  const http = { name: "http", protocol: "TCP", port: port(80) } as const;
  const state = stateOf(
    asValue.service(service("set", { headless: true })),
    asValue.slice(slice("set", endpoints, [http])),
  );
  const truncated = (flags: number): boolean => (flags & 0x0200) !== 0;

  it("is a changing part of it for who has 512 bytes and cannot say more, without the TC bit", async () => {
    await using server = await startServer(state);
    const seen = new Set<string>();
    for (let round = 0; round < 200; round++) {
      const { answers, bytes, message } = await ask(server.port, set, "A");
      expect(bytes.length).toBeLessThanOrEqual(512);
      expect(answers.length).toBeGreaterThan(20);
      expect(new Set(answers).size).toBe(answers.length);
      expect(truncated(message.flags)).toBe(false);
      for (const answer of answers) seen.add(answer);
    }
    expect(seen.size).toBeGreaterThan(200);
  });

  it("is a part with the TC bit for who speaks EDNS, never beyond its room, and whole over TCP", async () => {
    await using server = await startServer(state);
    const small = await ask(server.port, set, "A", { room: 512 });
    expect(small.bytes.length).toBeLessThanOrEqual(512);
    const large = await ask(server.port, set, "A", { room: 4096 });
    expect(large.bytes.length).toBeLessThanOrEqual(1232);
    expect(large.answers.length).toBeGreaterThan(small.answers.length);
    expect([small, large].map(({ message }) => truncated(message.flags))).toEqual([true, true]);
    const whole = await ask(server.port, set, "A", { tcp: true });
    expect(new Set(whole.answers).size).toBe(300);
    expect(truncated(whole.message.flags)).toBe(false);
  });

  it("has the TC bit for SRV: who asks for ports wants all of them", async () => {
    await using server = await startServer(state);
    expect(truncated((await ask(server.port, `_http._tcp.${set}`, "SRV")).message.flags)).toBe(true);
    const whole = await ask(server.port, `_http._tcp.${set}`, "SRV", { tcp: true });
    expect(whole.answers).toHaveLength(300);
    expect(whole.additional).toHaveLength(300);
  });
});

describe("listeners", () => {
  it("serve IPv4 and IPv6 addresses alike, over UDP and TCP", async () => {
    await using server = await startServer(stateOf(webAt("10.96.0.1")), "--listen", "127.0.0.1:0,127.0.0.2:0,[::1]:0");
    expect(server.dns.listeners.map(({ host }) => host)).toEqual(["127.0.0.1", "127.0.0.2", "::1"]);
    for (const { host, port: at } of server.dns.listeners) {
      for (const tcp of [false, true]) {
        expect((await ask(at, web, "A", { host, tcp })).answers).toEqual([`${web} A 10.96.0.1`]);
      }
    }
  });

  it("count what they answer by CoreDNS' names", async () => {
    await using server = await startServer(stateOf(webAt("10.96.0.1")));
    await ask(server.port, web, "A");
    await ask(server.port, "gone.default.svc.cluster.local.", "AAAA", { tcp: true });
    const text = await server.metrics();
    expect(text).toContain(
      'coredns_dns_requests_total{server="dns",zone=".",view="",proto="udp",family="1",type="A"} 1',
    );
    expect(text).toContain('proto="tcp",family="1",type="AAAA"} 1');
    expect(text).toContain('coredns_dns_responses_total{rcode="NXDOMAIN",plugin="kubernetes"} 1');
    expect(text).toContain('fairlead_dns_feed_status{status="live"} 1');
    expect(text).toContain("fairlead_dns_prepared_answers 2");
  });
});
