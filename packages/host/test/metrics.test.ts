import { expect, test } from "vitest";
import { createMetrics } from "../src/index.ts";

test("writes counters, gauges and histograms in the Prometheus text format", async () => {
  const metrics = createMetrics();
  metrics.counter("fairlead_test_requests_total", "Requests.", ["service"]).inc({ service: "default/kubia" }, 3);
  metrics.gauge("fairlead_test_open_connections", "Open now.").set(2);
  metrics.histogram("fairlead_test_latency_seconds", "Latency.", { buckets: [0.1, 1] }).observe(0.5);
  const text = await metrics.text();
  expect(text).toContain("# TYPE fairlead_test_requests_total counter");
  expect(text).toContain('fairlead_test_requests_total{service="default/kubia"} 3');
  expect(text).toContain("fairlead_test_open_connections 2");
  expect(text).toContain('fairlead_test_latency_seconds_bucket{le="0.1"} 0');
  expect(text).toContain('fairlead_test_latency_seconds_bucket{le="1"} 1');
});

test("keeps the metrics of two services in one process apart", async () => {
  const [one, two] = [createMetrics(), createMetrics()];
  one.counter("fairlead_test_total", "One.").inc();
  two.counter("fairlead_test_total", "Two.").inc(5);
  expect(await one.text()).toContain("fairlead_test_total 1");
  expect(await two.text()).toContain("fairlead_test_total 5");
});

test("refuses a name that is taken, and a name that Prometheus does not take", () => {
  const metrics = createMetrics();
  metrics.counter("fairlead_test_total", "Once.");
  expect(() => metrics.gauge("fairlead_test_total", "Twice.")).toThrow("already been registered");
  expect(() => metrics.counter("not a name", "No.")).toThrow("Invalid metric name");
});

test("tells about the process only when asked", async () => {
  expect(await createMetrics().text()).not.toContain("process_");
  expect(await createMetrics({ process: true }).text()).toContain("process_resident_memory_bytes");
});
