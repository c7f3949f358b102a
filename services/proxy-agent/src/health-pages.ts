/** What people and load balancers ask a node proxy over HTTP, answered as kube-proxy does (its pkg/proxy/healthcheck/proxy_health.go). */
import type { HealthPage, HealthServer } from "@fairlead/host";
import type { Clock, IpFamily } from "@fairlead/types";
import { ipFamilies } from "./feed-changes.ts";
import type { ProgrammingHealth } from "./programmer.ts";

/** What the pages tell of. */
export interface HealthSources {
  readonly programming: () => ProgrammingHealth;
  /** Whether load balancers may count on the node. */
  readonly nodeEligible: () => boolean;
  readonly clock: Clock;
  /** Told of every answer. */
  readonly asked: (path: "healthz" | "livez", code: number) => void;
}

const headers = { "content-type": "application/json", "x-content-type-options": "nosniff" } as const;

/** Go's zero time: nothing has been programmed yet. */
const never = "0001-01-01T00:00:00Z";

/**
 * `/healthz`: 503 when a change has waited too long, and while the node is about to leave, so that load balancers turn away from it.
 * `/livez`: of the proxy alone, for who would restart it.
 */
export function addHealthPages(health: HealthServer, sources: HealthSources): void {
  health.page("/healthz", () => page("healthz", sources, sources.nodeEligible()));
  health.page("/livez", () => page("livez", sources, undefined));
}

/** `/proxyMode`: the name of the plane in force. */
export function addModePage(health: HealthServer, mode: () => string): void {
  health.page("/proxyMode", () => {
    const text = mode();
    return { status: text === "undecided" ? 503 : 200, text, headers: { "x-content-type-options": "nosniff" } };
  });
}

function page(
  path: "healthz" | "livez",
  { programming, clock, asked }: HealthSources,
  nodeEligible: boolean | undefined,
): HealthPage {
  const { healthy, lastUpdated } = programming();
  const good = healthy && nodeEligible !== false;
  const now = new Date(clock.now()).toISOString();
  const updated = lastUpdated === undefined ? never : new Date(lastUpdated).toISOString();
  const status = good ? 200 : 503;
  asked(path, status);
  const body = {
    // While all is well it is said to be of now, whenever something last changed: kube-proxy's readers rely on that.
    lastUpdated: good ? now : updated,
    currentTime: now,
    ...(nodeEligible === undefined ? {} : { nodeEligible }),
    healthy,
    ...(lastUpdated === undefined ? {} : { status: statusOf({ lastUpdated: updated, healthy }) }),
  };
  return { status, text: JSON.stringify(body), headers };
}

/** Both families are programmed by one commit, so they are always alike. */
function statusOf<T>(health: T): Readonly<Record<IpFamily, T>> {
  return Object.fromEntries(ipFamilies.map((family) => [family, health])) as Record<IpFamily, T>;
}
