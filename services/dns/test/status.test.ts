import { describe, expect, it } from "vitest";
import { ask } from "./support/client.ts";
import { stateOf } from "./support/objects.ts";
import { startServer, startServerWith } from "./support/server.ts";
import { steeredClock } from "./support/steered-clock.ts";

const get = async (url: string): Promise<string> => {
  const answer = await fetch(url);
  return `${answer.status} ${await answer.text()}`;
};

describe("the ports of health", () => {
  it("answer CoreDNS' paths and ours", async () => {
    await using server = await startServer(stateOf());
    const { healthUrl } = server.dns;
    expect(await get(`${healthUrl}/health`)).toBe("200 OK");
    expect(await get(`${healthUrl}/ready`)).toBe("200 OK");
    for (const path of ["healthz", "livez", "readyz"]) expect(await get(`${healthUrl}/${path}`)).toBe("200 ok");
    expect(await get(`${healthUrl}/elsewhere`)).toMatch(/^404/);
    expect((await fetch(`${healthUrl}/health`, { method: "POST" })).status).toBe(405);
    const head = await fetch(`${healthUrl}/ready`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  it("name what is not ready: all of it, and alive all the same", async () => {
    await using server = await startServer(undefined, "--pod-records", "verified");
    const { healthUrl } = server.dns;
    expect(await get(`${healthUrl}/health`)).toBe("200 OK");
    expect(await get(`${healthUrl}/ready`)).toBe("503 zone,pods");
    expect(await get(`${healthUrl}/readyz`)).toMatch(/^503 zone: no state .*\npods: the feed of pods/);
    await server.pods();
    expect(await get(`${healthUrl}/ready`)).toBe("503 zone");
  });

  it("tell what CoreDNS' dashboards ask for", async () => {
    await using server = await startServer(stateOf());
    const text = await server.metrics();
    expect(text).toMatch(/^coredns_build_info\{version="\d+\.\d+\.\d+",revision="",goversion="node v\d+.*"\} 1$/m);
    expect(text).toContain("coredns_panics_total 0");
    expect(text).toContain('coredns_plugin_enabled{server="dns",view="",name="kubernetes",zone="cluster.local."} 1');
    expect(text).toContain('coredns_plugin_enabled{server="dns",view="",name="forward",zone="."} 1');
  });
});

describe("a server that is told to stop", () => {
  it("answers for the lame duck time, no longer ready, and ends then", async () => {
    const clock = steeredClock(3_000);
    await using server = await startServerWith({ clock }, stateOf(), "--lameduck", "3s");
    const { healthUrl } = server.dns;
    expect(await get(`${healthUrl}/ready`)).toBe("200 OK");
    const stopping = server.dns.stop();
    expect(await get(`${healthUrl}/ready`)).toBe("503 lameduck");
    expect(await get(`${healthUrl}/readyz`)).toBe("503 lameduck: about to stop");
    expect(await get(`${healthUrl}/health`)).toBe("200 OK");
    expect((await ask(server.port, "cluster.local.", "SOA")).answers).toHaveLength(1);
    clock.release();
    await stopping;
    await expect(fetch(`${healthUrl}/health`)).rejects.toThrow("fetch failed");
  });
});
