import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { needs } from "@fairlead/testkit";
import { ipAddress, port } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { asValue, endpoint, service, servicePort, slice, stateOf } from "./support/objects.ts";
import { startServer } from "./support/server.ts";

const run = promisify(execFile);
const set = "set.default.svc.cluster.local";

describe.skipIf(needs("dig"))("dig", () => {
  it("reads every kind of answer, over UDP and TCP", async () => {
    const http = { name: "http", protocol: "TCP", port: port(8080) } as const;
    await using server = await startServer(
      stateOf(
        asValue.service(
          service("web", {
            clusterIPs: [ipAddress("10.96.0.10"), ipAddress("fd00::10")],
            ports: [servicePort("http", 80)],
          }),
        ),
        asValue.service(service("set", { headless: true })),
        asValue.slice(slice("set", [endpoint("10.244.0.1", { hostname: "set-0" })], [http])),
        asValue.service(service("alias", { type: "ExternalName", externalName: "web.default.svc.cluster.local" })),
      ),
      "--pod-records",
      "insecure",
    );
    const dig = async (...question: readonly string[]): Promise<string> => {
      const { stdout } = await run("dig", ["@127.0.0.1", "-p", String(server.port), "+tries=1", ...question]);
      expect(stdout).not.toMatch(/malformed|bad packet|extra bytes/i);
      return stdout;
    };
    for (const way of ["+notcp", "+tcp", "+noedns"]) {
      const short = async (...question: readonly string[]): Promise<string> =>
        (await dig(way, "+short", ...question)).trim();
      expect(await short("web.default.svc.cluster.local", "A")).toBe("10.96.0.10");
      expect(await short("web.default.svc.cluster.local", "AAAA")).toBe("fd00::10");
      expect(await short("_http._tcp.web.default.svc.cluster.local", "SRV")).toBe(
        "0 100 80 web.default.svc.cluster.local.",
      );
      expect(await short(set, "A")).toBe("10.244.0.1");
      expect(await short(`set-0.${set}`, "A")).toBe("10.244.0.1");
      expect(await short(`_http._tcp.${set}`, "SRV")).toBe(`0 100 8080 set-0.${set}.`);
      expect(await short("alias.default.svc.cluster.local", "A")).toBe("web.default.svc.cluster.local.\n10.96.0.10");
      expect(await short("-x", "10.96.0.10")).toBe("web.default.svc.cluster.local.");
      expect(await short("-x", "fd00::10")).toBe("web.default.svc.cluster.local.");
      expect(await short("-x", "10.244.0.1")).toBe(`set-0.${set}.`);
      expect(await short("10-1-2-3.default.pod.cluster.local", "A")).toBe("10.1.2.3");
      expect(await short("dns-version.cluster.local", "TXT")).toBe('"1.1.0"');
      expect(await short("cluster.local", "NS")).toBe("ns.dns.cluster.local.");
      expect(await short("cluster.local", "SOA")).toMatch(
        /^ns\.dns\.cluster\.local\. hostmaster\.cluster\.local\. \d+ 7200/,
      );
      expect(await dig(way, "gone.default.svc.cluster.local")).toMatch(/status: NXDOMAIN[\s\S]*AUTHORITY: 1/);
    }
  });
});
