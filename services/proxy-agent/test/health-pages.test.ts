import { createHealthServer, createMetrics, silentLogger } from "@fairlead/host";
import type { HealthServer } from "@fairlead/host";
import { FakeClock } from "@fairlead/testkit";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { addHealthPages, addModePage } from "../src/health-pages.ts";
import type { ProgrammingHealth } from "../src/programmer.ts";
import { ProxyMetrics } from "../src/proxy-metrics.ts";

const clock = new FakeClock({ startAt: Date.UTC(2026, 0, 1, 12) });
const now = "2026-01-01T12:00:00.000Z";
const minuteAgo = clock.now() - 60_000;

let server: HealthServer;
let programming: ProgrammingHealth;
let nodeEligible: boolean;
let mode: string;
const registry = createMetrics();
const metrics = new ProxyMetrics({ metrics: registry });

beforeEach(async () => {
  programming = { healthy: true, lastUpdated: minuteAgo };
  nodeEligible = true;
  mode = "nftables";
  server = createHealthServer({ address: "127.0.0.1:0", log: silentLogger });
  addHealthPages(server, {
    programming: () => programming,
    nodeEligible: () => nodeEligible,
    clock,
    asked: (path, code) => metrics.asked(path, code),
  });
  addModePage(server, () => mode);
  await server.start();
  onTestFinished(() => server.stop());
});

async function get(path: string): Promise<{ status: number; body: unknown; headers: Headers }> {
  const response = await fetch(`${server.url}${path}`);
  const text = await response.text();
  return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text, headers: response.headers };
}

const statusOf = (healthy: boolean) => ({
  IPv4: { lastUpdated: "2026-01-01T11:59:00.000Z", healthy },
  IPv6: { lastUpdated: "2026-01-01T11:59:00.000Z", healthy },
});

describe("/healthz and /livez", () => {
  it("say that all is well as of now, for each family", async () => {
    const healthz = await get("/healthz");
    expect(healthz.status).toBe(200);
    expect(healthz.headers.get("content-type")).toBe("application/json");
    expect(healthz.headers.get("x-content-type-options")).toBe("nosniff");
    expect(healthz.body).toEqual({
      lastUpdated: now,
      currentTime: now,
      nodeEligible: true,
      healthy: true,
      status: statusOf(true),
    });
    const livez = await get("/livez");
    expect(livez.status).toBe(200);
    expect(livez.body).toEqual({ lastUpdated: now, currentTime: now, healthy: true, status: statusOf(true) });
  });

  it("write their fields in kube-proxy's order", async () => {
    const text = await (await fetch(`${server.url}/healthz`)).text();
    expect(Object.keys(JSON.parse(text) as object)).toEqual([
      "lastUpdated",
      "currentTime",
      "nodeEligible",
      "healthy",
      "status",
    ]);
  });

  it("part when the node is about to leave: load balancers turn away, nobody restarts the proxy", async () => {
    nodeEligible = false;
    const healthz = await get("/healthz");
    expect(healthz.status).toBe(503);
    // The proxy itself is fine; what it says of the time is then when it last did something.
    expect(healthz.body).toEqual({
      lastUpdated: "2026-01-01T11:59:00.000Z",
      currentTime: now,
      nodeEligible: false,
      healthy: true,
      status: statusOf(true),
    });
    expect((await get("/livez")).status).toBe(200);
  });

  it("are both bad when a change waits for too long", async () => {
    programming = { healthy: false, lastUpdated: minuteAgo };
    for (const path of ["/healthz", "/livez"]) {
      const { status, body } = await get(path);
      expect(status).toBe(503);
      expect(body).toMatchObject({
        lastUpdated: "2026-01-01T11:59:00.000Z",
        healthy: false,
        status: statusOf(false),
      });
    }
  });

  it("are good while the agent starts, and tell of no family yet", async () => {
    programming = { healthy: true, lastUpdated: undefined };
    const { status, body } = await get("/livez");
    expect([status, body]).toEqual([200, { lastUpdated: now, currentTime: now, healthy: true }]);
    nodeEligible = false;
    expect((await get("/healthz")).body).toMatchObject({ lastUpdated: "0001-01-01T00:00:00Z" });
  });

  it("are counted by what they answered", async () => {
    registry.registry.resetMetrics();
    await get("/healthz");
    await get("/livez");
    nodeEligible = false;
    await get("/healthz");
    const text = await registry.text();
    expect(text).toContain('kubeproxy_proxy_healthz_total{code="200"} 1');
    expect(text).toContain('kubeproxy_proxy_healthz_total{code="503"} 1');
    expect(text).toContain('kubeproxy_proxy_livez_total{code="200"} 1');
  });
});

describe("/proxyMode", () => {
  it("is the name of the plane in force", async () => {
    const { status, body, headers } = await get("/proxyMode");
    expect([status, body, headers.get("content-type")]).toEqual([200, "nftables", "text/plain; charset=utf-8"]);
    mode = "undecided";
    expect((await get("/proxyMode")).status).toBe(503);
  });
});
