import { createMetrics } from "@fairlead/host";
import { expect, test } from "vitest";
import { IngressMetrics } from "../src/ingress-metrics.ts";

test("requests are counted by Ingress and status, and timed in cumulative buckets", async () => {
  const metrics = createMetrics();
  const counts = new IngressMetrics(metrics);
  counts.request("shop/web", 200, 0.004);
  counts.request("shop/web", 200, 0.005);
  counts.request("shop/web", 502, 20);
  counts.request("", 404, 0.0001);
  const text = await metrics.text();
  const name = "nginx_ingress_controller_request_duration_seconds";
  for (const line of [
    "# TYPE nginx_ingress_controller_requests counter",
    'nginx_ingress_controller_requests{ingress="web",namespace="shop",status="200"} 2',
    'nginx_ingress_controller_requests{ingress="web",namespace="shop",status="502"} 1',
    'nginx_ingress_controller_requests{ingress="",namespace="",status="404"} 1',
    `# TYPE ${name} histogram`,
    `${name}_bucket{le="0.001",ingress="web",namespace="shop"} 0`,
    `${name}_bucket{le="0.005",ingress="web",namespace="shop"} 2`,
    `${name}_bucket{le="10",ingress="web",namespace="shop"} 2`,
    `${name}_bucket{le="+Inf",ingress="web",namespace="shop"} 3`,
    `${name}_sum{ingress="web",namespace="shop"} 20.009`,
    `${name}_count{ingress="web",namespace="shop"} 3`,
    `${name}_bucket{le="0.001",ingress="",namespace=""} 1`,
  ]) {
    expect(text.split("\n")).toContain(line);
  }
});

test("a second one in the same registry is refused, as its names are taken", () => {
  const metrics = createMetrics();
  expect(new IngressMetrics(metrics)).toBeDefined();
  expect(() => new IngressMetrics(metrics)).toThrow(/already/);
});
