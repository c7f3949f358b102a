import type { Endpoints } from "@fairlead/kube";
import { expect, test } from "vitest";
import {
  lastAppliedAnnotation,
  leaderAnnotation,
  managedByLabel,
  mirrorController,
  serviceNameLabel,
  skipMirrorLabel,
  triggerTimeAnnotation,
} from "../src/plan/labels.ts";
import { isMirrored, mirrorOwner, planMirror } from "../src/plan/mirror-planner.ts";
import { planSlices } from "../src/plan/slice-planner.ts";
import { endpoints, service, stored } from "./support/objects.ts";

const manual = service({ selector: {} });
const one = endpoints([{ addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 80 }] }]);

test.for<[string, ReturnType<typeof service> | undefined, Endpoints | undefined, boolean]>([
  ["hand-made, of a Service without a selector", manual, one, true],
  ["without a Service", undefined, one, false],
  ["without Endpoints", manual, undefined, false],
  ["of a Service with a selector", service(), one, false],
  ["of a name in DNS", service({ type: "ExternalName", selector: {} }), one, false],
  ["that ask to be left alone", manual, endpoints([], { labels: { [skipMirrorLabel]: "true" } }), false],
  ["with another value of that label", manual, endpoints([], { labels: { [skipMirrorLabel]: "false" } }), true],
  ["that are a leader's lock", manual, endpoints([], { annotations: { [leaderAnnotation]: "{}" } }), false],
  ["that a controller keeps", manual, endpoints([], { labels: { "endpoints.kubernetes.io/managed-by": "x" } }), false],
  ["that are being deleted", manual, endpoints([], { deletionTimestamp: "2026-01-01T00:00:00Z" }), false],
])("Endpoints %s", ([, subject, given, expected]) => {
  expect(isMirrored(subject, given)).toBe(expected);
});

test("one group for each family and set of ports, with readiness only", () => {
  const given = endpoints([
    {
      addresses: [{ ip: "10.0.0.1", hostname: "one", nodeName: "node-1" }, { ip: "FD00::1" }],
      notReadyAddresses: [{ ip: "10.0.0.2" }],
      ports: [{ name: "web", port: 80 }],
    },
    { addresses: [{ ip: "10.0.0.3" }], ports: [{ name: "web", port: 81 }] },
  ]);
  expect(planMirror(given)).toEqual({
    invalid: [],
    surplus: 0,
    groups: [
      {
        family: "IPv4",
        ports: [{ name: "web", protocol: "TCP", port: 80 }],
        endpoints: [
          { addresses: ["10.0.0.1"], conditions: { ready: true }, hostname: "one", nodeName: "node-1" },
          { addresses: ["10.0.0.2"], conditions: { ready: false } },
        ],
      },
      {
        family: "IPv6",
        ports: [{ name: "web", protocol: "TCP", port: 80 }],
        endpoints: [{ addresses: ["fd00::1"], conditions: { ready: true } }],
      },
      {
        family: "IPv4",
        ports: [{ name: "web", protocol: "TCP", port: 81 }],
        endpoints: [{ addresses: ["10.0.0.3"], conditions: { ready: true } }],
      },
    ],
  });
});

test("an address that is none is left out, and so is what is too much", () => {
  const many = Array.from({ length: 1003 }, (_, n) => ({ ip: `10.1.${Math.floor(n / 250)}.${(n % 250) + 1}` }));
  const result = planMirror(endpoints([{ addresses: [...many, { ip: "nonsense" }], ports: [{ port: 80 }] }]));
  // "nonsense" sorts behind the bound, so it is one of those that are too many.
  expect(result.surplus).toBe(4);
  expect(result.groups[0]?.endpoints).toHaveLength(1000);
  expect(planMirror(endpoints([{ addresses: [{ ip: "nonsense" }, { ip: "10.0.0.1" }] }]))).toMatchObject({
    invalid: ["nonsense"],
    groups: [{ endpoints: [{ addresses: ["10.0.0.1"] }] }],
  });
});

test("mirrored slices belong to the Endpoints and carry their labels and annotations", () => {
  const given = endpoints([], {
    labels: { team: "a", [serviceNameLabel]: "bank" },
    annotations: { note: "mine", [lastAppliedAnnotation]: "{}", [triggerTimeAnnotation]: "old" },
  });
  expect(mirrorOwner(given)).toEqual({
    managedBy: mirrorController,
    owner: { apiVersion: "v1", kind: "Endpoints", name: "web", namespace: "shop", uid: "uid-endpoints" },
    service: "web",
    labels: { team: "a", [serviceNameLabel]: "web", [managedByLabel]: mirrorController },
    annotations: { note: "mine" },
    leaving: false,
  });
});

test("changed annotations are mirrored, and then nothing is left to do", () => {
  const subsets = [{ addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 80 }] }];
  const plan = (
    annotations: Record<string, string>,
    existing: ReturnType<typeof stored>[],
  ): ReturnType<typeof planSlices> => {
    const given = endpoints(subsets, { annotations });
    return planSlices({ owner: mirrorOwner(given), groups: planMirror(given).groups, existing, trigger: undefined });
  };
  const existing = plan({ note: "old", gone: "x" }, []).create.map(stored);
  const { update } = plan({ note: "new" }, existing);
  expect(update[0]?.metadata?.annotations).toEqual({ note: "new" });
  expect(plan({ note: "new" }, update.map(stored))).toEqual({ create: [], update: [], remove: [] });
});
