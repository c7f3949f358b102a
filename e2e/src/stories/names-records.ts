/** Every kind of record of the cluster's zone, asked for over UDP and TCP. */
import { eventually } from "@fairlead/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import type { AddressPlan } from "../address-plan.ts";
import { digReply } from "../dig.ts";
import { list, pod, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, clusterIP, patienceMs, untilEndpoints, useNamespace } from "./story.ts";
import type { PodView } from "./story.ts";

const soa = /^cluster\.local\. 5 IN SOA ns\.dns\.cluster\.local\. hostmaster\.cluster\.local\. \d+ 7200 1800 86400 5$/;

/** Answers too long for 512 bytes: this many endpoints. */
const manyEndpoints = 60;

/** Asks for each kind, and for what is not there. */
export function namesRecordsStory(stack: () => Stack): void {
  describe("the cluster's zone", () => {
    const namespace = useNamespace(stack, "records");
    const zone = `${namespace}.svc.cluster.local`;
    const address = { shop: "", first: "", second: "" };
    const dashed = (ip: string): string => ip.replaceAll(".", "-");

    beforeAll(async () => {
      const ports = [
        { name: "http", port: 8000, targetPort: 8080 },
        { name: "admin", port: 9000, targetPort: 8080 },
      ];
      const member = (name: string, spec: object): object => {
        const made = pod(namespace, name, "crew") as { spec: object };
        return { ...made, spec: { ...made.spec, ...spec } };
      };
      await apply(
        stack(),
        list(
          service(namespace, "shop", { ports }),
          service(namespace, "crew", { clusterIP: "None", ports: [{ name: "http", port: 8080 }] }),
          member("first", { hostname: "boss", subdomain: "crew" }),
          member("second", {}),
          service(namespace, "inside", { type: "ExternalName", externalName: `shop.${zone}`, selector: undefined }),
          service(namespace, "outside", { type: "ExternalName", externalName: "api.example.com", selector: undefined }),
          ...headlessOverflow(namespace, stack().plan),
        ),
      );
      await untilEndpoints(stack(), namespace, "crew", 2);
      await untilEndpoints(stack(), namespace, "many", manyEndpoints);
      address.shop = await clusterIP(stack(), namespace, "shop");
      for (const name of ["first", "second"] as const) {
        address[name] = (await stack().kubectl.json<PodView>(`get pod ${name} -n ${namespace}`)).status.podIP ?? "";
      }
      // The last two things that the tests rest on; the feed keeps the order.
      await eventually(
        async () => {
          expect((await digReply(stack(), `crew.${zone}`)).answer).toHaveLength(2);
          expect((await digReply(stack(), `many.${zone}`, "+tcp")).answer).toHaveLength(manyEndpoints);
        },
        { timeoutMs: patienceMs },
      );
    });

    describe.each(["+notcp", "+tcp"])("asked with %s", (transport) => {
      const ask = (...question: string[]): ReturnType<typeof digReply> => digReply(stack(), transport, ...question);
      const overTransport = { authoritative: true, transport: transport === "+tcp" ? "TCP" : "UDP" };
      /** What the server says, records in order. */
      const reply = async (...question: string[]): Promise<object> => {
        const { status, answer, authority, flags, transport } = await ask(...question);
        return { status, answer: [...answer].sort(), authority, authoritative: flags.includes("aa"), transport };
      };
      /** A reply with these records. */
      const records = (...answer: string[]): object => {
        return { ...overTransport, status: "NOERROR", answer: answer.sort(), authority: [] };
      };
      /** A reply without any, which says for how long: by the SOA. */
      const nothing = (status: "NOERROR" | "NXDOMAIN"): object => {
        return { ...overTransport, status, answer: [], authority: [expect.stringMatching(soa)] };
      };

      test("A: a Service's address, the endpoints of a headless one, and an endpoint by its host name or its address", async () => {
        expect(await reply(`shop.${zone}`, "A")).toEqual(records(`shop.${zone}. 5 IN A ${address.shop}`));
        expect(await reply(`crew.${zone}`, "A")).toEqual(
          records(`crew.${zone}. 5 IN A ${address.first}`, `crew.${zone}. 5 IN A ${address.second}`),
        );
        expect(await reply(`boss.crew.${zone}`, "A")).toEqual(records(`boss.crew.${zone}. 5 IN A ${address.first}`));
        const second = `${dashed(address.second)}.crew.${zone}`;
        expect(await reply(second, "A")).toEqual(records(`${second}. 5 IN A ${address.second}`));
      });

      test("AAAA, in a cluster of IPv4: no data, with the SOA", async () => {
        expect(await reply(`shop.${zone}`, "AAAA")).toEqual(nothing("NOERROR"));
        expect(await reply(`crew.${zone}`, "AAAA")).toEqual(nothing("NOERROR"));
      });

      test("SRV: of a port by its name, of all ports without one, and of a headless Service's endpoints", async () => {
        const target = `shop.${zone}.`;
        expect(await reply(`_http._tcp.shop.${zone}`, "SRV")).toEqual(
          records(`_http._tcp.shop.${zone}. 5 IN SRV 0 100 8000 ${target}`),
        );
        expect(await reply(`shop.${zone}`, "SRV")).toEqual(
          records(`shop.${zone}. 5 IN SRV 0 50 8000 ${target}`, `shop.${zone}. 5 IN SRV 0 50 9000 ${target}`),
        );
        expect(await reply(`_http._tcp.crew.${zone}`, "SRV")).toEqual(
          records(
            `_http._tcp.crew.${zone}. 5 IN SRV 0 50 8080 boss.crew.${zone}.`,
            `_http._tcp.crew.${zone}. 5 IN SRV 0 50 8080 ${dashed(address.second)}.crew.${zone}.`,
          ),
        );
        const { additional } = await ask(`_http._tcp.crew.${zone}`, "SRV");
        expect(additional).toContain(`boss.crew.${zone}. 5 IN A ${address.first}`);
        expect(await reply(`_smtp._tcp.shop.${zone}`, "SRV")).toEqual(nothing("NXDOMAIN"));
      });

      test("PTR: of a Service and of a headless Service's endpoint", async () => {
        const reverse = (ip: string): string => `${ip.split(".").toReversed().join(".")}.in-addr.arpa.`;
        expect(await reply("-x", address.shop)).toEqual(records(`${reverse(address.shop)} 5 IN PTR shop.${zone}.`));
        expect(await reply("-x", address.first)).toEqual(
          records(`${reverse(address.first)} 5 IN PTR boss.crew.${zone}.`),
        );
        expect(await reply("-x", address.second)).toEqual(
          records(`${reverse(address.second)} 5 IN PTR ${dashed(address.second)}.crew.${zone}.`),
        );
      });

      test("CNAME: of an ExternalName, followed where it leads into the zone", async () => {
        expect(await reply(`outside.${zone}`, "CNAME")).toEqual(
          records(`outside.${zone}. 5 IN CNAME api.example.com.`),
        );
        expect(await reply(`inside.${zone}`, "A")).toEqual(
          records(`inside.${zone}. 5 IN CNAME shop.${zone}.`, `shop.${zone}. 5 IN A ${address.shop}`),
        );
      });

      test("CNAME alone, where it leads out of the zone and nobody is there to ask", async () => {
        expect(await reply(`outside.${zone}`, "A")).toEqual(records(`outside.${zone}. 5 IN CNAME api.example.com.`));
        expect((await ask("api.example.com")).status).toBe("REFUSED");
      });

      test("TXT, SOA and NS: the version of the specification, and whose zone it is", async () => {
        expect(await reply("dns-version.cluster.local", "TXT")).toEqual(
          records('dns-version.cluster.local. 28800 IN TXT "1.1.0"'),
        );
        const { answer, flags } = await ask("cluster.local", "SOA");
        expect(answer).toEqual([expect.stringMatching(soa)]);
        expect(flags).toContain("aa");
        expect(await reply("cluster.local", "NS")).toEqual(records("cluster.local. 5 IN NS ns.dns.cluster.local."));
        const { additional } = await ask("cluster.local", "NS");
        expect(additional).toEqual([`ns.dns.cluster.local. 5 IN A ${stack().dev.dns.address}`]);
      });

      test("pods: those that are there, by their address and namespace, and no other address", async () => {
        const name = (ip: string, where: string): string => `${dashed(ip)}.${where}.pod.cluster.local`;
        const first = name(address.first, namespace);
        expect(await reply(first, "A")).toEqual(records(`${first}. 5 IN A ${address.first}`));
        expect(await reply(name(stack().plan.nobody(1), namespace))).toEqual(nothing("NXDOMAIN"));
        expect(await reply(name(address.first, "default"))).toEqual(nothing("NXDOMAIN"));
      });

      test("what does not exist: NXDOMAIN with the SOA, and no data where there is another type", async () => {
        expect(await reply(`nobody.${zone}`)).toEqual(nothing("NXDOMAIN"));
        expect(await reply(`nobody.crew.${zone}`)).toEqual(nothing("NXDOMAIN"));
        expect(await reply("shop.nowhere.svc.cluster.local")).toEqual(nothing("NXDOMAIN"));
        expect(await reply(`shop.${zone}`, "TXT")).toEqual(nothing("NOERROR"));
      });

      test("names keep the case that they were asked in", async () => {
        const name = `sHoP.${namespace.toUpperCase()}.svc.Cluster.LOCAL`;
        const { question, answer } = await ask(name);
        expect(question).toEqual([`${name}. IN A`]);
        expect(answer).toEqual([`${name}. 5 IN A ${address.shop}`]);
      });

      test("EDNS is answered with EDNS, and only that", async () => {
        expect((await ask(`shop.${zone}`, "+bufsize=1232")).edns).toMatch(/^version: 0, flags:; udp: 1232/);
        expect((await ask(`shop.${zone}`, "+noedns")).edns).toBeUndefined();
      });
    });

    test("a large headless set is a random part that fits, complete where the client asks for more room or TCP", async () => {
      const name = `many.${zone}`;
      const small = await digReply(stack(), name, "+noedns", "+notcp", "+ignore");
      expect(small.flags).not.toContain("tc");
      expect(small.size).toBeLessThanOrEqual(512);
      expect(small.answer.length).toBeGreaterThan(20);
      expect(small.answer.length).toBeLessThan(manyEndpoints);
      const seen = new Set(small.answer);
      for (let round = 0; round < 10; round += 1) {
        for (const record of (await digReply(stack(), name, "+noedns", "+notcp", "+ignore")).answer) seen.add(record);
      }
      expect(seen.size).toBeGreaterThan(small.answer.length);
      const roomy = await digReply(stack(), name, "+bufsize=1232", "+notcp", "+ignore");
      expect(new Set(roomy.answer).size).toBe(manyEndpoints);
      expect(new Set((await digReply(stack(), name, "+tcp")).answer).size).toBe(manyEndpoints);
    });
  });
}

/** A headless Service with more hand-made endpoints than 512 bytes hold. */
function headlessOverflow(namespace: string, plan: AddressPlan): object[] {
  const addresses = Array.from({ length: manyEndpoints }, (_, index) => ({ ip: plan.nobody(index + 1) }));
  return [
    service(namespace, "many", { clusterIP: "None", selector: undefined }),
    {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: { namespace, name: "many" },
      subsets: [{ addresses, ports: [{ port: 8080 }] }],
    },
  ];
}
