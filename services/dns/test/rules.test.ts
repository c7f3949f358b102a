import { ipAddress, port } from "@fairlead/types";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask } from "./support/client.ts";
import type { AskOptions } from "./support/client.ts";
import { asValue, down, endpoint, service, servicePort, slice, stateOf } from "./support/objects.ts";
import { startServer } from "./support/server.ts";
import type { TestServer } from "./support/server.ts";

const soa = ["cluster.local. SOA"];
const http = { name: "http", protocol: "TCP", port: port(8080) } as const;
const metrics = { name: "metrics", protocol: "TCP", port: port(9100) } as const;

const state = stateOf(
  asValue.service(
    service("web", {
      clusterIPs: [ipAddress("10.96.0.10")],
      ports: [servicePort("http", 80), servicePort("dns", 53, "UDP")],
    }),
  ),
  asValue.slice(slice("web", [endpoint("10.244.1.7")], [http])),
  asValue.service(service("plain", { clusterIPs: [ipAddress("10.96.0.11")], ports: [servicePort("", 8080)] })),
  asValue.service(
    service("dual", {
      clusterIPs: [ipAddress("10.96.0.12"), ipAddress("fd00::12")],
      ipFamilies: ["IPv4", "IPv6"],
      ports: [servicePort("http", 80)],
    }),
  ),
  asValue.service(service("set", { headless: true, ports: [servicePort("http", 80)] })),
  asValue.slice(
    slice(
      "set",
      [
        endpoint("10.244.1.1", { hostname: "set-0" }),
        endpoint("10.244.1.2", { hostname: "set-1" }),
        endpoint("10.244.1.3"),
        endpoint("10.244.1.4", down),
      ],
      [http, metrics],
    ),
  ),
  asValue.service(service("six", { headless: true })),
  asValue.slice(slice("six", [endpoint("fd00:1::7")], [http])),
  asValue.service(service("portless", { headless: true })),
  asValue.slice(slice("portless", [endpoint("10.244.2.1")])),
  asValue.service(service("empty", { headless: true, ports: [servicePort("http", 80)] })),
  asValue.slice(slice("empty", [endpoint("10.244.3.1", down)], [http])),
  asValue.service(service("eager", { headless: true, publishNotReadyAddresses: true })),
  asValue.slice(slice("eager", [endpoint("10.244.4.1", down)], [http])),
  asValue.service(service("inside", { type: "ExternalName", externalName: "web.default.svc.cluster.local" })),
  asValue.service(service("Outside".toLowerCase(), { type: "ExternalName", externalName: "api.example.org" })),
  asValue.service(service("loop", { type: "ExternalName", externalName: "loop.default.svc.cluster.local" })),
  asValue.service(service("dangling", { type: "ExternalName", externalName: "gone.default.svc.cluster.local" })),
  asValue.service(service("digits", { type: "ExternalName", externalName: "203.0.113.7" })),
  asValue.service(service("ping", { type: "ExternalName", externalName: "pong.default.svc.cluster.local." })),
  asValue.service(service("pong", { type: "ExternalName", externalName: "PING.default.svc.cluster.local" })),
  ...Array.from({ length: 13 }, (_, index) =>
    asValue.service(
      service(`hop-${index}`, {
        type: "ExternalName",
        externalName: index === 12 ? "web.default.svc.cluster.local" : `hop-${index + 1}.default.svc.cluster.local`,
      }),
    ),
  ),
  asValue.service(service("idle", { clusterIPs: [ipAddress("10.96.0.13")], ports: [servicePort("http", 80)] })),
  // The same endpoint in two slices, as while one is being rewritten, and ports that differ from slice to slice.
  asValue.service(service("twice", { headless: true })),
  asValue.slice(slice("twice", [endpoint("10.244.5.1", { hostname: "one" })], [http], { name: "twice-a" })),
  asValue.slice(slice("twice", [endpoint("10.244.5.1", { hostname: "one" })], [http], { name: "twice-b" })),
  asValue.service(service("mixed", { headless: true })),
  asValue.slice(slice("mixed", [endpoint("10.244.6.1", { hostname: "a" })], [http], { name: "mixed-a" })),
  asValue.slice(slice("mixed", [endpoint("10.244.6.2", { hostname: "b" })], [metrics], { name: "mixed-b" })),
  // An endpoint of two families and one host name, also named by another Service.
  asValue.service(service("both", { headless: true })),
  asValue.slice(slice("both", [endpoint("10.244.7.1", { hostname: "pod-0" })], [http])),
  asValue.slice(slice("both", [endpoint("fd00:7::1", { hostname: "pod-0" })], [http])),
  asValue.service(service("again", { headless: true })),
  asValue.slice(slice("again", [endpoint("10.244.7.1")], [http])),
  asValue.service(service("broken", { type: "ExternalName", externalName: "a..b" })),
);

interface Case {
  readonly ask: string;
  readonly rcode?: string;
  readonly answers?: readonly string[];
  readonly authority?: readonly string[];
  readonly additional?: readonly string[];
}
const domain = "default.svc.cluster.local.";
const web = "web.default.svc.cluster.local.";
const set = "set.default.svc.cluster.local.";

const cases: readonly Case[] = [
  { ask: `A ${web}`, answers: [`${web} A 10.96.0.10`] },
  { ask: `AAAA ${web}` },
  { ask: `A a.b.c.d.${web}`, rcode: "NXDOMAIN" },
  { ask: `TXT ${web}` },
  { ask: `SOA ${web}` },
  { ask: `NS ${web}` },
  { ask: `HTTPS ${web}` },
  { ask: `SVCB ${web}` },
  { ask: `MX ${web}` },
  { ask: `CNAME ${web}` },
  { ask: `ANY ${web}` },
  { ask: "A dual.default.svc.cluster.local.", answers: ["dual.default.svc.cluster.local. A 10.96.0.12"] },
  { ask: "AAAA dual.default.svc.cluster.local.", answers: ["dual.default.svc.cluster.local. AAAA fd00::12"] },
  {
    ask: "SRV _http._tcp.dual.default.svc.cluster.local.",
    answers: ["_http._tcp.dual.default.svc.cluster.local. SRV 0 100 80 dual.default.svc.cluster.local."],
    additional: ["dual.default.svc.cluster.local. A 10.96.0.12", "dual.default.svc.cluster.local. AAAA fd00::12"],
  },
  {
    ask: `SRV _http._tcp.${web}`,
    answers: [`_http._tcp.${web} SRV 0 100 80 ${web}`],
    additional: [`${web} A 10.96.0.10`],
  },
  {
    ask: `SRV _dns._udp.${web}`,
    answers: [`_dns._udp.${web} SRV 0 100 53 ${web}`],
    additional: [`${web} A 10.96.0.10`],
  },
  { ask: `A _http._tcp.${web}`, answers: [`_http._tcp.${web} A 10.96.0.10`] },
  { ask: `SRV _http._udp.${web}`, rcode: "NXDOMAIN" },
  { ask: `SRV _wrong._tcp.${web}`, rcode: "NXDOMAIN" },
  { ask: `A http.tcp.${web}`, rcode: "NXDOMAIN" },
  {
    ask: `SRV ${web}`,
    answers: [`${web} SRV 0 50 53 ${web}`, `${web} SRV 0 50 80 ${web}`],
    additional: [`${web} A 10.96.0.10`],
  },
  { ask: "SRV _._tcp.plain.default.svc.cluster.local.", rcode: "NXDOMAIN" },
  { ask: `A 10-244-1-7.${web}`, answers: [`10-244-1-7.${web} A 10.244.1.7`] },
  { ask: `A 10-244-1-8.${web}`, rcode: "NXDOMAIN" },
  { ask: `A a.b.c.${web}`, rcode: "NXDOMAIN" },
  { ask: `A ${set}`, answers: [`${set} A 10.244.1.1`, `${set} A 10.244.1.2`, `${set} A 10.244.1.3`] },
  { ask: `AAAA ${set}` },
  { ask: `A set-0.${set}`, answers: [`set-0.${set} A 10.244.1.1`] },
  { ask: `AAAA set-0.${set}` },
  { ask: `A 10-244-1-3.${set}`, answers: [`10-244-1-3.${set} A 10.244.1.3`] },
  { ask: `A 10-244-1-4.${set}`, rcode: "NXDOMAIN" },
  {
    ask: `SRV _http._tcp.${set}`,
    answers: [
      `_http._tcp.${set} SRV 0 33 8080 10-244-1-3.${set}`,
      `_http._tcp.${set} SRV 0 33 8080 set-0.${set}`,
      `_http._tcp.${set} SRV 0 33 8080 set-1.${set}`,
    ],
    additional: [`10-244-1-3.${set} A 10.244.1.3`, `set-0.${set} A 10.244.1.1`, `set-1.${set} A 10.244.1.2`],
  },
  {
    ask: `SRV set-1.${set}`,
    answers: [`set-1.${set} SRV 0 50 8080 set-1.${set}`, `set-1.${set} SRV 0 50 9100 set-1.${set}`],
    additional: [`set-1.${set} A 10.244.1.2`],
  },
  { ask: "AAAA six.default.svc.cluster.local.", answers: ["six.default.svc.cluster.local. AAAA fd00:1::7"] },
  { ask: "A six.default.svc.cluster.local." },
  {
    ask: "AAAA fd00-1--7.six.default.svc.cluster.local.",
    answers: ["fd00-1--7.six.default.svc.cluster.local. AAAA fd00:1::7"],
  },
  { ask: "A portless.default.svc.cluster.local.", answers: ["portless.default.svc.cluster.local. A 10.244.2.1"] },
  { ask: "SRV portless.default.svc.cluster.local." },
  { ask: "A empty.default.svc.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "SRV _http._tcp.empty.default.svc.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "A eager.default.svc.cluster.local.", answers: ["eager.default.svc.cluster.local. A 10.244.4.1"] },
  {
    ask: "A inside.default.svc.cluster.local.",
    answers: [`inside.default.svc.cluster.local. CNAME ${web}`, `${web} A 10.96.0.10`],
  },
  { ask: "AAAA inside.default.svc.cluster.local.", answers: [`inside.default.svc.cluster.local. CNAME ${web}`] },
  { ask: "CNAME inside.default.svc.cluster.local.", answers: [`inside.default.svc.cluster.local. CNAME ${web}`] },
  { ask: "SRV inside.default.svc.cluster.local." },
  { ask: "TXT inside.default.svc.cluster.local." },
  { ask: "A sub.inside.default.svc.cluster.local.", rcode: "NXDOMAIN" },
  {
    ask: "A outside.default.svc.cluster.local.",
    answers: ["outside.default.svc.cluster.local. CNAME api.example.org."],
  },
  { ask: "A loop.default.svc.cluster.local." },
  {
    ask: "A dangling.default.svc.cluster.local.",
    answers: ["dangling.default.svc.cluster.local. CNAME gone.default.svc.cluster.local."],
  },
  { ask: "A broken.default.svc.cluster.local." },
  // Kubernetes says of an address as external name that name servers do not resolve it.
  { ask: "A digits.default.svc.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "A a.b.inside.default.svc.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "SRV _http._tcp.inside.default.svc.cluster.local.", rcode: "NXDOMAIN" },
  {
    ask: "A ping.default.svc.cluster.local.",
    answers: ["ping.default.svc.cluster.local. CNAME pong.default.svc.cluster.local."],
  },
  {
    ask: "A hop-4.default.svc.cluster.local.",
    answers: [
      ...Array.from({ length: 8 }, (_, hop) => `hop-${hop + 4}.${domain} CNAME hop-${hop + 5}.${domain}`),
      `hop-12.${domain} CNAME ${web}`,
      `${web} A 10.96.0.10`,
    ],
  },
  {
    ask: "A hop-0.default.svc.cluster.local.",
    answers: Array.from({ length: 10 }, (_, hop) => `hop-${hop}.${domain} CNAME hop-${hop + 1}.${domain}`),
  },
  { ask: "A idle.default.svc.cluster.local.", answers: [`idle.${domain} A 10.96.0.13`] },
  { ask: "A twice.default.svc.cluster.local.", answers: [`twice.${domain} A 10.244.5.1`] },
  {
    ask: "SRV _http._tcp.twice.default.svc.cluster.local.",
    answers: [`_http._tcp.twice.${domain} SRV 0 100 8080 one.twice.${domain}`],
    additional: [`one.twice.${domain} A 10.244.5.1`],
  },
  { ask: "PTR 1.5.244.10.in-addr.arpa.", answers: [`1.5.244.10.in-addr.arpa. PTR one.twice.${domain}`] },
  { ask: "A _http._tcp.mixed.default.svc.cluster.local.", answers: [`_http._tcp.mixed.${domain} A 10.244.6.1`] },
  {
    ask: "A mixed.default.svc.cluster.local.",
    answers: [`mixed.${domain} A 10.244.6.1`, `mixed.${domain} A 10.244.6.2`],
  },
  {
    ask: "SRV mixed.default.svc.cluster.local.",
    answers: [`mixed.${domain} SRV 0 50 8080 a.mixed.${domain}`, `mixed.${domain} SRV 0 50 9100 b.mixed.${domain}`],
    additional: [`a.mixed.${domain} A 10.244.6.1`, `b.mixed.${domain} A 10.244.6.2`],
  },
  { ask: "A pod-0.both.default.svc.cluster.local.", answers: [`pod-0.both.${domain} A 10.244.7.1`] },
  { ask: "AAAA pod-0.both.default.svc.cluster.local.", answers: [`pod-0.both.${domain} AAAA fd00:7::1`] },
  {
    ask: "SRV _http._tcp.both.default.svc.cluster.local.",
    answers: [`_http._tcp.both.${domain} SRV 0 100 8080 pod-0.both.${domain}`],
    additional: [`pod-0.both.${domain} A 10.244.7.1`, `pod-0.both.${domain} AAAA fd00:7::1`],
  },
  {
    ask: "PTR 1.7.244.10.in-addr.arpa.",
    answers: [
      `1.7.244.10.in-addr.arpa. PTR 10-244-7-1.again.${domain}`,
      `1.7.244.10.in-addr.arpa. PTR pod-0.both.${domain}`,
    ],
  },
  { ask: "TXT dns-version.cluster.local.", answers: ["dns-version.cluster.local. TXT 1.1.0"] },
  { ask: "A dns-version.cluster.local." },
  { ask: "A cluster.local." },
  { ask: "AAAA cluster.local." },
  { ask: "SRV cluster.local." },
  { ask: "HINFO cluster.local." },
  { ask: "TXT cluster.local." },
  { ask: "A a.dns-version.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "TXT version.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "A dns.cluster.local." },
  { ask: "AAAA ns.dns.cluster.local." },
  { ask: "A a.ns.dns.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "A default.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "SOA cluster.local.", answers: ["cluster.local. SOA"] },
  {
    ask: "NS cluster.local.",
    answers: ["cluster.local. NS ns.dns.cluster.local."],
    additional: ["ns.dns.cluster.local. A 127.0.0.1"],
  },
  { ask: "A ns.dns.cluster.local.", answers: ["ns.dns.cluster.local. A 127.0.0.1"] },
  { ask: "A svc.cluster.local." },
  { ask: "A pod.cluster.local." },
  { ask: "A default.svc.cluster.local." },
  { ask: "A default.pod.cluster.local." },
  { ask: "A nowhere.svc.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "A nowhere.pod.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "A web.nowhere.svc.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "A gone.default.svc.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "A web.default.other.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "A 10-244-1-1.default.pod.cluster.local.", rcode: "NXDOMAIN" },
  { ask: "PTR 10.0.96.10.in-addr.arpa.", answers: [`10.0.96.10.in-addr.arpa. PTR ${web}`] },
  { ask: "A 10.0.96.10.in-addr.arpa.", authority: ["in-addr.arpa. SOA"] },
  { ask: "PTR 1.1.244.10.in-addr.arpa.", answers: [`1.1.244.10.in-addr.arpa. PTR set-0.${set}`] },
  // Not in the specification, but CoreDNS names the endpoints of every Service.
  { ask: "PTR 7.1.244.10.in-addr.arpa.", answers: [`7.1.244.10.in-addr.arpa. PTR 10-244-1-7.${web}`] },
  { ask: "PTR 4.1.244.10.in-addr.arpa.", rcode: "NXDOMAIN", authority: ["in-addr.arpa. SOA"] },
  { ask: "PTR 300.1.244.10.in-addr.arpa.", rcode: "NXDOMAIN", authority: ["in-addr.arpa. SOA"] },
  {
    ask: "PTR 2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
    answers: [
      "2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. PTR dual.default.svc.cluster.local.",
    ],
  },
  { ask: "A www.example.org.", rcode: "REFUSED", authority: [] },
  { ask: "AXFR cluster.local.", rcode: "REFUSED", authority: [] },
  { ask: "IXFR cluster.local.", rcode: "REFUSED", authority: [] },
  { ask: `AXFR ${web}`, rcode: "REFUSED", authority: [] },
];

describe("the rules of names", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(state);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const split = (text: string): [string, Parameters<typeof ask>[2]] => {
    const [type = "", name = ""] = text.split(" ");
    return [name, type as Parameters<typeof ask>[2]];
  };

  it.each(cases)("$ask", async ({ ask: question, rcode = "NOERROR", answers = [], authority, additional = [] }) => {
    const [name, type] = split(question);
    // Twice: made and then prepared; and with every kind of room.
    const ways: AskOptions[] = [{}, {}, { room: 1232 }, { tcp: true }];
    for (const way of ways) {
      const found = await ask(server.port, name, type, way);
      expect(found.rcode).toBe(rcode);
      // The order of records is random; only an alias comes before what it leads to.
      expect(found.answers.toSorted()).toEqual([...answers].toSorted());
      if (answers[0]?.includes(" CNAME ")) expect(found.answers[0]).toBe(answers[0]);
      expect(found.authority).toEqual(authority ?? (answers.length === 0 ? soa : []));
      expect(found.additional.toSorted()).toEqual([...additional].toSorted());
      if (rcode !== "REFUSED") expect(found.message.flags & 0x0480).toBe(0x0400);
    }
  });

  it("keeps the case of the question, prepared or not", async () => {
    for (const name of [
      "wEb.DefaulT.svc.CLUSTER.local.",
      "WEB.default.svc.cluster.local.",
      "wEb.DefaulT.svc.CLUSTER.local.",
    ]) {
      expect((await ask(server.port, name, "A")).answers).toEqual([`${name} A 10.96.0.10`]);
    }
    const upper = await ask(server.port, "GONE.default.svc.cluster.local.", "A");
    expect(upper.message.questions[0]?.name[0]).toBe("GONE");
    const exact = await ask(server.port, web, "A");
    expect(exact.answers).toEqual([`${web} A 10.96.0.10`]);
  });

  it("gives every record the TTL, but the version its own, and says no for as long", async () => {
    expect((await ask(server.port, web, "A")).message.answers[0]?.ttl).toBe(5);
    expect((await ask(server.port, "dns-version.cluster.local.", "TXT")).message.answers[0]?.ttl).toBe(28_800);
    const [record] = (await ask(server.port, "gone.default.svc.cluster.local.", "A")).message.authority;
    expect(record).toMatchObject({
      ttl: 5,
      data: { kind: "SOA", refresh: 7200, retry: 1800, expire: 86400, minimum: 5 },
    });
  });

  it("refuses what it cannot do, each with its code", async () => {
    expect((await ask(server.port, web, "A", { room: 1232, version: 1 })).rcode).toBe("BADVERS");
    expect((await ask(server.port, web, "A", { flags: 0x2000 })).rcode).toBe("NOTIMP");
    expect((await ask(server.port, web, "TXT", { class: 3 })).rcode).toBe("REFUSED");
    expect((await ask(server.port, web, "OPT")).rcode).toBe("FORMERR");
  });
});

describe("pod records, if asked for", () => {
  it("answers any address of a namespace that exists", async () => {
    await using server = await startServer(state, "--pod-records", "insecure");
    const name = "10-244-1-1.default.pod.cluster.local.";
    expect((await ask(server.port, name, "A")).answers).toEqual([`${name} A 10.244.1.1`]);
    expect(await ask(server.port, name, "AAAA")).toMatchObject({ rcode: "NOERROR", answers: [] });
    const six = "fd00--1.default.pod.cluster.local.";
    expect((await ask(server.port, six, "AAAA")).answers).toEqual([`${six} AAAA fd00::1`]);
    for (const wrong of [
      "10-244-1.default.pod",
      "x.default.pod",
      "10-244-1-1.nowhere.pod",
      "a.10-244-1-1.default.pod",
    ]) {
      expect((await ask(server.port, `${wrong}.cluster.local.`, "A")).rcode).toBe("NXDOMAIN");
    }
  });
});

describe("Services without a ready endpoint, where they are to be ignored", () => {
  it("do not exist, but for headless ones and aliases, which have rules of their own", async () => {
    await using server = await startServer(state, "--ignore-empty-services");
    const idle = `idle.${domain}`;
    for (const question of [`A ${idle}`, `TXT ${idle}`, `SRV _http._tcp.${idle}`]) {
      const [name, type] = question.split(" ").toReversed() as [string, Parameters<typeof ask>[2]];
      expect((await ask(server.port, name, type)).rcode).toBe("NXDOMAIN");
    }
    expect((await ask(server.port, web, "A")).answers).toEqual([`${web} A 10.96.0.10`]);
    expect((await ask(server.port, `outside.${domain}`, "CNAME")).answers).toHaveLength(1);
    await server.put(asValue.slice(slice("idle", [endpoint("10.244.9.1")], [http])));
    expect((await ask(server.port, idle, "A")).answers).toEqual([`${idle} A 10.96.0.13`]);
    await server.put(asValue.slice(slice("idle", [endpoint("10.244.9.1", down)], [http])));
    expect((await ask(server.port, idle, "A")).rcode).toBe("NXDOMAIN");
  });
});

describe("the name server's own name", () => {
  it("is that of the Service that leads to it", async () => {
    const found = asValue.service(
      service("kube-dns", { namespace: "kube-system", clusterIPs: [ipAddress("127.0.0.1")] }),
    );
    await using server = await startServer(state);
    expect((await ask(server.port, "cluster.local.", "NS")).answers).toEqual([
      "cluster.local. NS ns.dns.cluster.local.",
    ]);
    await server.put(found);
    const name = "kube-dns.kube-system.svc.cluster.local.";
    expect(await ask(server.port, "cluster.local.", "NS")).toMatchObject({
      answers: [`cluster.local. NS ${name}`],
      additional: [`${name} A 127.0.0.1`],
    });
  });
});

describe("names by pod", () => {
  it("come from the pod where asked for", async () => {
    await using server = await startServer(
      stateOf(
        asValue.service(service("set", { headless: true })),
        asValue.slice(
          slice("set", [
            endpoint("10.244.1.1", { target: { kind: "Pod", namespace: "default", name: "set-abc", uid: "1" } }),
          ]),
        ),
      ),
      "--endpoint-pod-names",
    );
    expect((await ask(server.port, `set-abc.${set}`, "A")).answers).toEqual([`set-abc.${set} A 10.244.1.1`]);
    expect((await ask(server.port, `10-244-1-1.${set}`, "A")).rcode).toBe("NXDOMAIN");
  });
});
