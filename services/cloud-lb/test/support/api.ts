/** Services at the API, and what is said of them. */
import { eventually } from "@fairlead/testkit";
import type { Clock } from "@fairlead/types";
import type { KubeClient, Service } from "@fairlead/kube";

// The clock of the machine; src may not reach for it, a test may.
export const machineClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** A LoadBalancer Service that is not stored yet. */
export function loadBalancer(
  name: string,
  more: Service["spec"] = {},
  annotations: Record<string, string> = {},
): Service {
  return {
    metadata: { namespace: "default", name, annotations },
    spec: { type: "LoadBalancer", selector: { app: name }, ports: [{ port: 80, protocol: "TCP" }], ...more },
  };
}

/** Its addresses as its status says now. */
export function addressesOf(service: Service | undefined): string[] {
  return (service?.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
}

/** Waits until a Service has an address, and returns it. */
export async function addressOf(client: KubeClient, name: string): Promise<string> {
  return eventually(
    async () => {
      const [address] = addressesOf(await client.get("services", { namespace: "default", name }));
      if (address === undefined) throw new Error(`${name} has no address yet`);
      return address;
    },
    { timeoutMs: 20_000 },
  );
}

/** Reasons of the Events about a Service, in the order in which they were first written. */
export async function reasonsOf(client: KubeClient, name: string): Promise<string[]> {
  const { items } = await client.list("events", { namespace: "default" });
  return items
    .filter(({ involvedObject }) => involvedObject.kind === "Service" && involvedObject.name === name)
    .sort((a, b) => Number(a.metadata?.resourceVersion) - Number(b.metadata?.resourceVersion))
    .map(({ reason = "" }) => reason);
}

/** The machine's clock with timers that run out sooner, but for those that are `never` or longer; `asked` is what they were set to. */
export function hurriedClock(factor: number, never = Number.POSITIVE_INFINITY): Clock & { readonly asked: number[] } {
  const asked: number[] = [];
  return {
    ...machineClock,
    asked,
    setTimer(ms, callback) {
      asked.push(ms);
      if (ms >= never) return () => {};
      return machineClock.setTimer(ms / factor, callback);
    },
  };
}
