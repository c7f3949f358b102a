/** What a new configuration changes while the agent runs: the plane. Everything else takes a restart, and is said to. */
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "@fairlead/host";
import type { PlaneChoice, ProxyAgentConfig } from "./config.ts";
import type { PlaneSettings } from "./plane-factory.ts";

/** Options that a plane is made by: a change of plane takes them over. */
const ofPlane: ReadonlySet<string> = new Set<keyof PlaneSettings>([
  "scheduler",
  "localTraffic",
  "masqueradeAll",
  "masqueradeBit",
  "trafficCounters",
  "verifyInterval",
  "ipvsInterface",
  "strictArp",
  "excludeCidrs",
  "ipvsTcpTimeout",
  "ipvsTcpFinTimeout",
  "ipvsUdpTimeout",
  "drainTimeout",
]);

/** What others are made from, or what is not a matter of working otherwise. */
const derived: ReadonlySet<string> = new Set([
  "notices",
  "clusterCidr",
  "detectLocal",
  "bridgeInterface",
  "interfaceNamePrefix",
]);

/** What can be changed, and where the rest is said. */
export interface ReloadTargets {
  readonly switchTo: (choice: PlaneChoice, settings: PlaneSettings) => Promise<void>;
  readonly log: Logger;
}

/** Takes over what it can of `after`; rejects where the plane cannot be changed, and then the one before goes on. */
export async function reload(
  before: ProxyAgentConfig,
  after: ProxyAgentConfig,
  { switchTo, log }: ReloadTargets,
): Promise<void> {
  for (const notice of after.notices) log.notice(notice);
  const changed = Object.keys({ ...before, ...after }).filter(
    (key) =>
      !derived.has(key) &&
      !isDeepStrictEqual(before[key as keyof ProxyAgentConfig], after[key as keyof ProxyAgentConfig]),
  );
  const otherPlane = changed.includes("plane");
  const late = changed.filter((key) => key !== "plane" && !(otherPlane && ofPlane.has(key)));
  if (late.length > 0) log.notice(`changed, and in force after a restart only: ${late.sort().join(", ")}`);
  if (!otherPlane) {
    if (changed.length === 0) log.info("the configuration is as it was");
    return;
  }
  if (before.sharedHost !== after.sharedHost) {
    log.notice(
      "the plane stays: a node that shares its host (sharedHost) serves other addresses than one that does not; restart",
    );
    return;
  }
  await switchTo(after.plane, after);
}
