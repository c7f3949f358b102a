/** The stories that share one running stack, in the order of how much they rest on each other. */
import { addressesStory } from "./addresses.ts";
import { affinityStory } from "./affinity.ts";
import { balancingStory } from "./balancing.ts";
import { changeStory } from "./change.ts";
import { environmentStory } from "./environment.ts";
import { ingressRoutesStory } from "./ingress-routes.ts";
import { ingressSessionsStory } from "./ingress-sessions.ts";
import { namesAtOnceStory } from "./names-at-once.ts";
import { namesChangedStory } from "./names-changed.ts";
import { namesInPodsStory } from "./names-in-pods.ts";
import { namesRecordsStory } from "./names-records.ts";
import { namesStory } from "./names.ts";
import { nodePortsStory } from "./node-ports.ts";
import { portsStory } from "./ports.ts";
import { readinessStory } from "./readiness.ts";
import { refusalsStory } from "./refusals.ts";

export const sharedStories = [
  balancingStory,
  changeStory,
  readinessStory,
  affinityStory,
  portsStory,
  nodePortsStory,
  addressesStory,
  environmentStory,
  namesStory,
  namesRecordsStory,
  namesChangedStory,
  namesInPodsStory,
  namesAtOnceStory,
  ingressRoutesStory,
  ingressSessionsStory,
  refusalsStory,
] as const;
