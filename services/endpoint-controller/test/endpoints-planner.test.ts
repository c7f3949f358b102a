import type { Endpoints, Pod, Service } from "@fairlead/kube";
import { expect, test } from "vitest";
import { planEndpoints } from "../src/plan/endpoints-planner.ts";
import {
  endpointsManagedByLabel,
  headlessLabel,
  overCapacityAnnotation,
  triggerTimeAnnotation,
} from "../src/plan/labels.ts";
import { addressesWithPorts, repackSubsets } from "../src/plan/subsets.ts";
import type { Subset } from "../src/plan/subsets.ts";
import { endpoints, nodes, pod, pods, service } from "./support/objects.ts";

function plan(
  given: readonly Pod[],
  options: { service?: Service; current?: Endpoints; trigger?: string } = {},
): Endpoints | undefined {
  const { service: subject = service(), current, trigger } = options;
  return planEndpoints({ service: subject, pods: given, node: nodes(), current, trigger });
}

const addresses = (subsets: readonly Subset[] | undefined): unknown =>
  subsets?.map((subset) => [
    (subset.addresses ?? []).map(({ ip }) => ip),
    (subset.notReadyAddresses ?? []).map(({ ip }) => ip),
    (subset.ports ?? []).map(({ port }) => port),
  ]);

/** The object as an API server gives it back: sorted in another way, with fields of its own. */
function givenBack(object: Endpoints | undefined): Endpoints {
  const subsets = (object?.subsets ?? []).map((subset) => ({
    ...subset,
    ...(subset.addresses && { addresses: subset.addresses.toReversed() }),
    ...(subset.ports && { ports: subset.ports.toReversed().map((port) => ({ protocol: "TCP", ...port })) }),
  }));
  return {
    ...object,
    metadata: { ...object?.metadata, uid: "uid-endpoints", resourceVersion: "1" },
    subsets: subsets.toReversed(),
  };
}

test("ready and other pods stand apart, terminating ones nowhere", () => {
  const given = [
    pod(),
    pod({ name: "b", ips: ["10.0.0.2"], ready: false }),
    pod({ name: "c", ips: ["10.0.0.3"], terminating: true }),
  ];
  const planned = plan(given);
  expect(addresses(planned?.subsets)).toEqual([[["10.0.0.1"], ["10.0.0.2"], [8080]]]);
  expect(planned?.subsets?.[0]?.addresses?.[0]).toEqual({
    ip: "10.0.0.1",
    nodeName: "node-1",
    targetRef: { kind: "Pod", namespace: "shop", name: "pod-1", uid: "uid-pod-1" },
  });
  expect(planned?.metadata).toMatchObject({
    namespace: "shop",
    name: "web",
    labels: { [endpointsManagedByLabel]: "endpoint-controller" },
  });
});

test("publishNotReadyAddresses makes all of them ready, terminating ones too", () => {
  const given = [pod({ ready: false }), pod({ name: "c", ips: ["10.0.0.3"], terminating: true })];
  const planned = plan(given, { service: service({ publishNotReadyAddresses: true }) });
  expect(addresses(planned?.subsets)).toEqual([[["10.0.0.1", "10.0.0.3"], [], [8080]]]);
});

test("only the first family and the first address of a pod are listed", () => {
  const dual = service({ ipFamilies: ["IPv6", "IPv4"] });
  const planned = plan([pod({ ips: ["10.0.0.1", "fd00::1", "fd00::2"] })], { service: dual });
  expect(addresses(planned?.subsets)).toEqual([[["fd00::1"], [], [8080]]]);
});

test("pods that resolve a name differently are subsets of their own; one that has no port is left out", () => {
  const named = service({ ports: [{ name: "web", port: 80, targetPort: "http" }] });
  const given = [
    pod({ name: "a", ips: ["10.0.0.1"], ports: { http: 8080 } }),
    pod({ name: "b", ips: ["10.0.0.2"], ports: { http: 9090 } }),
    pod({ name: "c", ips: ["10.0.0.3"] }),
  ];
  expect(addresses(plan(given, { service: named })?.subsets)).toEqual([
    [["10.0.0.1"], [], [8080]],
    [["10.0.0.2"], [], [9090]],
  ]);
});

test("a headless Service without ports lists addresses without ports, and is labelled", () => {
  const planned = plan([pod()], { service: service({ clusterIP: "None", ports: [] }) });
  expect(planned?.subsets).toMatchObject([{ addresses: [{ ip: "10.0.0.1" }] }]);
  expect(planned?.subsets?.[0]).not.toHaveProperty("ports");
  expect(planned?.metadata?.labels?.[headlessLabel]).toBe("");
});

test("an object that says the same in another order is left alone", () => {
  const ports = [
    { name: "web", port: 80, targetPort: "http" },
    { name: "tls", port: 443, targetPort: 8443 },
  ];
  const subject = service({ ports }, { labels: { b: "2", a: "1" } });
  const given = [1, 2, 3].map((n) =>
    pod({ name: `p${n}`, ips: [`10.0.0.${n}`], ready: n !== 2, ports: { http: 8000 + (n % 2) } }),
  );
  const current = givenBack(plan(given, { service: subject }));
  expect(plan(given, { service: subject, current })).toBeUndefined();
  expect(plan(given, { service: subject, current, trigger: "2026-01-01T00:00:00Z" })).toBeUndefined();
  expect(plan(given.slice(1), { service: subject, current })).toMatchObject({ metadata: { resourceVersion: "1" } });
  expect(plan(given, { service: service({ ports }), current })).toBeDefined();
});

test("annotations of others stay, the trigger time is that of the last change", () => {
  const current = endpoints([], { annotations: { note: "mine", [triggerTimeAnnotation]: "old" } });
  expect(plan([pod()], { current, trigger: "new" })?.metadata?.annotations).toEqual({
    note: "mine",
    [triggerTimeAnnotation]: "new",
  });
  expect(plan([pod()], { current })?.metadata?.annotations).toEqual({ note: "mine" });
});

test("1000 addresses at most are listed, ready ones first, and an annotation says so", () => {
  const others = Array.from({ length: 300 }, (_, n) =>
    pod({ name: `n${n}`, ips: [`10.99.${Math.floor(n / 250)}.${(n % 250) + 1}`], ready: false }),
  );
  const given = [...others, ...pods(900)];
  const planned = plan(given);
  expect(planned?.metadata?.annotations?.[overCapacityAnnotation]).toBe("truncated");
  const counts = planned?.subsets?.map((subset) => [subset.addresses?.length, subset.notReadyAddresses?.length]);
  expect(counts).toEqual([[900, 100]]);
  expect(plan(given, { current: givenBack(planned) })).toBeUndefined();
  expect(plan(given.slice(200), { current: givenBack(planned) })?.metadata?.annotations).toEqual({});
});

test("a cut takes from each subset its share", () => {
  const named = service({ ports: [{ name: "web", port: 80, targetPort: "http" }] });
  const given = Array.from({ length: 2000 }, (_, n) =>
    pod({ name: `p${n}`, ips: [`10.1.${Math.floor(n / 250)}.${(n % 250) + 1}`], ports: { http: n % 4 === 0 ? 1 : 2 } }),
  );
  const planned = plan(given, { service: named });
  expect(planned?.subsets?.map((subset) => subset.addresses?.length)).toEqual([250, 750]);
});

test("the annotation goes when all fit again", () => {
  const current = endpoints([], { annotations: { [overCapacityAnnotation]: "truncated" } });
  expect(plan([pod()], { current })?.metadata?.annotations).toEqual({});
});

test.for<[string, Subset[], unknown]>([
  [
    "one address in two subsets with different ports",
    [
      { addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 1 }] },
      { addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 2 }] },
    ],
    [[["10.0.0.1"], [], [1, 2]]],
  ],
  [
    "two subsets with the same ports",
    [
      { addresses: [{ ip: "10.0.0.2" }], ports: [{ port: 1 }] },
      { addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 1 }] },
    ],
    [[["10.0.0.1", "10.0.0.2"], [], [1]]],
  ],
  [
    "ready and not ready for the same port",
    [{ addresses: [{ ip: "10.0.0.1" }], notReadyAddresses: [{ ip: "10.0.0.1" }], ports: [{ port: 1 }] }],
    [[[], ["10.0.0.1"], [1]]],
  ],
  [
    "ready for one port, not for another",
    [
      { addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 1 }] },
      { notReadyAddresses: [{ ip: "10.0.0.1" }], ports: [{ port: 2 }] },
    ],
    [
      [["10.0.0.1"], [], [1]],
      [[], ["10.0.0.1"], [2]],
    ],
  ],
  ["addresses without ports", [{ addresses: [{ ip: "10.0.0.1" }] }], [[["10.0.0.1"], [], []]]],
  ["nothing", [], []],
])("subsets are packed again: %s", ([, given, expected]) => {
  expect(addresses(repackSubsets(addressesWithPorts(given)))).toEqual(expected);
});

test("the same address of two pods is listed for each", () => {
  const given = ["a", "b"].map((uid) => ({ ip: "10.0.0.1", targetRef: { kind: "Pod", uid } }));
  expect(repackSubsets(addressesWithPorts([{ addresses: given, ports: [{ port: 1 }] }]))[0]?.addresses).toHaveLength(2);
});
