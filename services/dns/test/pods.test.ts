import { ipAddress } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { ask } from "./support/client.ts";
import { asValue, service, stateOf } from "./support/objects.ts";
import { startServer } from "./support/server.ts";
import type { TestServer } from "./support/server.ts";

const rcode = async (server: TestServer, name: string): Promise<string> =>
  (await ask(server.port, `${name}.cluster.local.`, "A")).rcode;

describe("a namespace", () => {
  it("exists without a Service: its names say so, and no longer once it is gone", async () => {
    await using server = await startServer(stateOf(asValue.namespace("empty")), "--pod-records", "insecure");
    const pod = "10-0-0-1.empty.pod";
    for (const name of ["empty.svc", "empty.pod", pod]) expect(await rcode(server, name)).toBe("NOERROR");
    for (const name of ["none.svc", "none.pod", "10-0-0-1.none.pod", "web.empty.svc", "a.web.empty.svc"]) {
      expect(await rcode(server, name)).toBe("NXDOMAIN");
    }
    await server.put(asValue.namespace("none"));
    for (const name of ["none.svc", "none.pod", "10-0-0-1.none.pod"]) expect(await rcode(server, name)).toBe("NOERROR");
    await server.remove(asValue.namespace("empty"));
    for (const name of ["empty.svc", "empty.pod", pod]) expect(await rcode(server, name)).toBe("NXDOMAIN");
  });

  it("exists for as long as either it or a Service in it is known, whichever comes first", async () => {
    await using server = await startServer(stateOf());
    const web = asValue.service(service("web", { clusterIPs: [ipAddress("10.96.0.1")] }));
    const seen: string[] = [];
    const look = async (): Promise<void> => void seen.push(await rcode(server, "default.svc"));
    await look();
    await server.put(web);
    await look();
    await server.put(asValue.namespace("default"));
    await server.remove(web);
    await look();
    await server.remove(asValue.namespace("default"));
    await look();
    expect(seen).toEqual(["NXDOMAIN", "NOERROR", "NOERROR", "NXDOMAIN"]);
  });
});

describe("names of verified pods", () => {
  const verified = ["--pod-records", "verified"] as const;
  const name = "10-0-0-1.default.pod.cluster.local.";

  it("are those of pods in the namespace, of both families, for as long as they exist", async () => {
    await using server = await startServer(
      stateOf(asValue.namespace("default"), asValue.namespace("other")),
      ...verified,
    );
    await server.pods(asValue.pod("web-1", "10.0.0.1", "fd00::1"));
    expect((await ask(server.port, name, "A")).answers).toEqual([`${name} A 10.0.0.1`]);
    expect(await ask(server.port, name, "AAAA")).toMatchObject({ rcode: "NOERROR", answers: [] });
    const six = "fd00--1.default.pod.cluster.local.";
    expect((await ask(server.port, six, "AAAA")).answers).toEqual([`${six} AAAA fd00::1`]);
    for (const none of ["10-0-0-2.default.pod", "10-0-0-1.other.pod", "10-0-0-1.gone.pod", "web-1.default.pod"]) {
      expect(await rcode(server, none)).toBe("NXDOMAIN");
    }
    await server.put(asValue.pod("web-2", "10.0.0.2"));
    expect(await rcode(server, "10-0-0-2.default.pod")).toBe("NOERROR");
    await server.put(asValue.pod("web-1", "10.0.0.9"));
    expect(await rcode(server, "10-0-0-1.default.pod")).toBe("NXDOMAIN");
    expect(await rcode(server, "10-0-0-9.default.pod")).toBe("NOERROR");
    await server.remove(asValue.pod("web-1"));
    expect(await rcode(server, "10-0-0-9.default.pod")).toBe("NXDOMAIN");
    expect(await server.metrics()).toContain("fairlead_dns_pods 1");
  });

  it("outlive one of two pods that have the address for a moment", async () => {
    await using server = await startServer(stateOf(asValue.namespace("default")), ...verified);
    await server.pods(asValue.pod("old", "10.0.0.1"), asValue.pod("new", "10.0.0.1"));
    await server.remove(asValue.pod("old"));
    expect((await ask(server.port, name, "A")).answers).toHaveLength(1);
    await server.remove(asValue.pod("new"));
    expect((await ask(server.port, name, "A")).rcode).toBe("NXDOMAIN");
  });

  it("are SERVFAIL until the feed of pods has spoken, and nothing else is", async () => {
    await using server = await startServer(stateOf(asValue.namespace("default")), ...verified);
    for (let round = 0; round < 2; round++) {
      expect(await ask(server.port, name, "A")).toMatchObject({ rcode: "SERVFAIL", answers: [], authority: [] });
    }
    expect(await rcode(server, "default.pod")).toBe("NOERROR");
    expect(await rcode(server, "web-1.default.pod")).toBe("NXDOMAIN");
    expect(await rcode(server, "gone.default.svc")).toBe("NXDOMAIN");
    expect(await server.metrics()).toContain('fairlead_dns_pod_feed_status{status="connecting"} 1');
    await server.pods(asValue.pod("web-1", "10.0.0.1"));
    expect((await ask(server.port, name, "A")).answers).toEqual([`${name} A 10.0.0.1`]);
    expect(await server.metrics()).toContain('fairlead_dns_pod_feed_status{status="live"} 1');
  });
});
