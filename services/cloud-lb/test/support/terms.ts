/** Terms against a real API, with a cloud in memory. */
import { createMetrics, silentLogger } from "@fairlead/host";
import type { KubeClient, Service } from "@fairlead/kube";
import { eventually, seededRandom } from "@fairlead/testkit";
import { onTestFinished } from "vitest";
import { NotLeaderError } from "../../src/errors.ts";
import { cloudLbMetrics } from "../../src/metrics.ts";
import type { LoadBalancerRequest, LoadBalancerStatus } from "../../src/provider.ts";
import { firstRetryMs, Term } from "../../src/term.ts";
import { FakeLoadBalancerProvider } from "../../src/testing.ts";
import { hurriedClock } from "./api.ts";

/** A cloud that remembers what it was asked and told. */
export class WatchedProvider extends FakeLoadBalancerProvider {
  readonly requests: LoadBalancerRequest[] = [];
  readonly others: string[] = [];

  /** Runs once, while a load balancer is being made. */
  meanwhile: (() => Promise<unknown>) | undefined;

  override async ensure(request: LoadBalancerRequest): Promise<LoadBalancerStatus> {
    this.requests.push(request);
    const { meanwhile } = this;
    this.meanwhile = undefined;
    await meanwhile?.();
    return super.ensure(request);
  }

  override noteOther({ metadata }: Service, gone: boolean): void {
    this.others.push(`${metadata?.name ?? ""} ${gone ? "gone" : "there"}`);
  }
}

/** Leads until the test is over. `patient`: what failed is not tried again by itself. */
export async function lead(client: KubeClient, options: { loadBalancerClass?: string; patient?: boolean } = {}) {
  const { loadBalancerClass, patient = false } = options;
  const provider = new WatchedProvider();
  const clock = hurriedClock(20, patient ? firstRetryMs / 2 : undefined);
  const said: { name: string; reason: string; message: string }[] = [];
  const state = { leads: true };
  const metrics = createMetrics();
  const term = new Term({
    client,
    provider,
    loadBalancerClass,
    mustLead: () => {
      if (!state.leads) throw new NotLeaderError();
    },
    record: ({ metadata }, { reason, message }) => said.push({ name: metadata?.name ?? "", reason, message }),
    metrics: cloudLbMetrics(metrics),
    clock,
    random: seededRandom(1),
    log: silentLogger,
  });
  term.start();
  onTestFinished(() => term.stop());
  await eventually(() => {
    if (!term.isReady) throw new Error("has not read the Services yet");
  });
  const reasons = (name: string): string[] => said.filter((one) => one.name === name).map(({ reason }) => reason);
  const message = (name: string, reason: string): string | undefined =>
    said.find((one) => one.name === name && one.reason === reason)?.message;
  return { provider, clock, term, state, metrics, said, reasons, message };
}
