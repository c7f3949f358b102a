import type { EndpointSlice, Pod, Service } from "@fairlead/kube";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { planGroups } from "../src/plan/endpoint-groups.ts";
import type { ApiEndpoint } from "../src/plan/endpoint-groups.ts";
import {
  headlessLabel,
  managedByLabel,
  serviceNameLabel,
  sliceController,
  triggerTimeAnnotation,
} from "../src/plan/labels.ts";
import { endpointKey, packSlices } from "../src/plan/slice-packer.ts";
import { planSlices, serviceOwner } from "../src/plan/slice-planner.ts";
import type { SlicePlan } from "../src/plan/slice-planner.ts";
import { nodes, pod, pods, service, stored } from "./support/objects.ts";

interface Given {
  readonly service?: Service;
  readonly pods: readonly Pod[];
  readonly existing?: readonly EndpointSlice[];
  readonly trigger?: string;
  readonly most?: number;
}

function plan({ service: subject = service(), pods: given, existing = [], trigger, most }: Given): SlicePlan {
  const { groups } = planGroups({ service: subject, pods: given, node: nodes() });
  const owner = serviceOwner(subject, sliceController);
  return planSlices({ owner, groups, existing, trigger, ...(most === undefined ? {} : { most }) });
}

/** What is there after a plan was carried out. */
function carryOut(existing: readonly EndpointSlice[], { create, update, remove }: SlicePlan): EndpointSlice[] {
  const uidOf = (slice: EndpointSlice): string => slice.metadata?.uid ?? "";
  const gone = new Set([...remove, ...update].map(uidOf));
  return [...existing.filter((slice) => !gone.has(uidOf(slice))), ...update.map(stored), ...create.map(stored)];
}

/** Slices of the default Service, with so many of the pods each, in order. */
function slicesOf(given: readonly Pod[], ...sizes: number[]): EndpointSlice[] {
  let from = 0;
  return sizes.flatMap((size) => {
    const part = given.slice(from, (from += size));
    return plan({ pods: part, most: Math.max(1, size) }).create.map(stored);
  });
}

const sizes = (slices: readonly EndpointSlice[]): number[] =>
  slices.map(({ endpoints }) => endpoints?.length ?? 0).sort((a, b) => b - a);
const counts = ({ create, update, remove }: SlicePlan): number[] => [create.length, update.length, remove.length];

test.for([
  [50, 5],
  [80, 4],
  [100, 3],
  [150, 2],
  [250, 1],
  [500, 1],
])("250 pods with %i in a slice are %i slices", ([most, slices]) => {
  const result = plan({ pods: pods(250), most: most ?? 0 });
  expect(counts(result)).toEqual([slices, 0, 0]);
  expect(sizes(result.create).reduce((sum, size) => sum + size, 0)).toBe(250);
});

test("250 pods are 3 slices by default, full but the last", () => {
  expect(sizes(plan({ pods: pods(250) }).create)).toEqual([100, 100, 50]);
});

test("a Service without pods has one empty slice a family", () => {
  const result = plan({ service: service({ ipFamilies: ["IPv4", "IPv6"] }), pods: [] });
  expect(result.create).toMatchObject([
    { addressType: "IPv4", ports: [], endpoints: [] },
    { addressType: "IPv6", ports: [], endpoints: [] },
  ]);
  expect(
    counts(plan({ service: service({ ipFamilies: ["IPv4", "IPv6"] }), pods: [], existing: result.create.map(stored) })),
  ).toEqual([0, 0, 0]);
});

test("123 endpoints in two slices and 250 wanted: the rest fills one and makes one", () => {
  const all = pods(250);
  // The second slice has to be written for what left it, so it is filled; what remains makes a new one.
  const existing = [
    ...slicesOf(all, 62),
    ...slicesOf([...all.slice(62, 123), pod({ name: "gone", ips: ["10.9.9.9"] })], 62),
  ];
  const result = plan({ pods: all, existing });
  expect(counts(result)).toEqual([1, 1, 0]);
  expect(sizes(carryOut(existing, result))).toEqual([100, 88, 62]);
});

test("74 and 74 endpoints and 300 wanted: whole slices are made rather than unchanged ones touched", () => {
  const all = pods(300);
  const existing = slicesOf(all, 74, 74);
  const result = plan({ pods: all, existing });
  expect(counts(result)).toEqual([2, 0, 0]);
  expect(sizes(carryOut(existing, result))).toEqual([100, 74, 74, 52]);
});

test("115 endpoints of which some change: slices that are written anyway are filled, and none is made", () => {
  const all = pods(115);
  const before = all.map((each, index) =>
    index === 0 || index === 70
      ? pod({ name: each.metadata?.name ?? "", ips: each.status?.podIPs?.map(({ ip }) => ip) ?? [], ready: false })
      : each,
  );
  const existing = slicesOf(before.slice(0, 105), 65, 40);
  const result = plan({ pods: all, existing });
  expect(counts(result)).toEqual([0, 2, 0]);
  expect(sizes(carryOut(existing, result))).toEqual([75, 40]);
});

test("a rest goes into the one unchanged slice that it fills best", () => {
  const all = pods(170);
  const existing = slicesOf(all, 90, 50, 20);
  const result = plan({ pods: all, existing });
  expect(counts(result)).toEqual([0, 1, 0]);
  expect(sizes(carryOut(existing, result))).toEqual([100, 50, 20]);
});

test("ten slices of other ports become three with new content, and seven go", () => {
  const all = pods(300);
  const old = service({ ports: [{ port: 80, targetPort: 9999 }] });
  const existing = Array.from(
    { length: 10 },
    (_, n) => plan({ service: old, pods: all.slice(n * 30, n * 30 + 30) }).create,
  )
    .flat()
    .map(stored);
  const result = plan({ pods: all, existing });
  expect(counts(result)).toEqual([0, 3, 7]);
  const names = new Set(existing.map(({ metadata }) => metadata?.name));
  expect(result.update.every(({ metadata }) => names.has(metadata?.name))).toBe(true);
  expect(result.update.every(({ ports }) => ports?.[0]?.port === 8080)).toBe(true);
});

test("300 pods that resolve a name to five numbers are five slices", () => {
  const named = service({ ports: [{ name: "web", port: 80, targetPort: "http" }] });
  const given = Array.from({ length: 300 }, (_, n) =>
    pod({ name: `p${n}`, ips: [`10.1.${n % 5}.${Math.floor(n / 5) + 1}`], ports: { http: 8080 + (n % 5) } }),
  );
  const { create } = plan({ service: named, pods: given });
  expect(create.map(({ ports, endpoints }) => [ports?.[0]?.port, endpoints?.length])).toEqual([
    [8080, 60],
    [8081, 60],
    [8082, 60],
    [8083, 60],
    [8084, 60],
  ]);
});

test("an endpoint whose condition changed is written in place, and nothing else is", () => {
  const all = pods(150);
  const existing = slicesOf(all, 100, 50);
  const changed = all.map((each, index) =>
    index === 120 ? pod({ name: "pod-120", ips: each.status?.podIPs?.map(({ ip }) => ip) ?? [], ready: false }) : each,
  );
  const result = plan({ pods: changed, existing });
  expect(counts(result)).toEqual([0, 1, 0]);
  expect(result.update[0]?.metadata?.name).toBe(existing[1]?.metadata?.name);
  expect(result.update[0]?.endpoints?.[20]?.conditions?.ready).toBe(false);
});

test("a slice whose endpoints are all gone is removed, the last one is emptied", () => {
  const all = pods(120);
  const existing = slicesOf(all, 100, 20);
  const less = plan({ pods: all.slice(0, 100), existing });
  expect(counts(less)).toEqual([0, 0, 1]);
  const none = plan({ pods: [], existing: carryOut(existing, less) });
  // The placeholder has no ports, so it is another group: the old slice becomes it.
  expect(counts(none)).toEqual([0, 1, 0]);
  expect(none.update[0]).toMatchObject({ ports: [], endpoints: [] });
});

test("an endpoint that stands in two slices is taken out of the second", () => {
  const all = pods(20);
  const [first, second] = [slicesOf(all, 20), slicesOf(all.slice(10), 10)];
  const existing = [...first, ...second];
  const result = plan({ pods: all, existing });
  expect(counts(result)).toEqual([0, 0, 1]);
  expect(result.remove).toEqual(second);
});

test("a slice beyond the bound is cut to it", () => {
  const all = pods(150);
  const existing = plan({ pods: all, most: 150 }).create.map(stored);
  expect(sizes(carryOut(existing, plan({ pods: all, existing })))).toEqual([100, 50]);
});

test.for<[string, Partial<Record<"pods" | "existing", number>>, number[]]>([
  ["nothing to do", { pods: 1, existing: 1 }, [0, 0, 0]],
  ["a slice to make", { pods: 1, existing: 0 }, [0, 0, 0]],
  ["a slice to change", { pods: 2, existing: 1 }, [0, 1, 0]],
  ["slices to remove", { pods: 100, existing: 101 }, [0, 0, 1]],
])("a Service that is being deleted makes no slice: %s", ([, given, expected]) => {
  const all = pods(101);
  const existing = slicesOf(all, Math.min(100, given.existing ?? 0), Math.max(0, (given.existing ?? 0) - 100)).filter(
    ({ endpoints }) => (endpoints?.length ?? 0) > 0,
  );
  const leaving = service({}, { deletionTimestamp: "2026-01-01T00:00:00Z" });
  expect(counts(plan({ service: leaving, pods: all.slice(0, given.pods), existing }))).toEqual(expected);
});

test("a Service that is being deleted still turns a doomed slice into a wanted one", () => {
  const leaving = service({}, { deletionTimestamp: "2026-01-01T00:00:00Z" });
  const existing = plan({ service: service({ ports: [{ port: 80, targetPort: 1 }] }), pods: pods(1) }).create.map(
    stored,
  );
  expect(counts(plan({ service: leaving, pods: pods(1), existing }))).toEqual([0, 1, 0]);
});

test("slices of an earlier Service of the name are removed and never adopted", () => {
  const existing = slicesOf(pods(1), 1);
  const again = service({}, { uid: "another life" });
  const result = plan({ service: again, pods: pods(1), existing });
  expect(counts(result)).toEqual([1, 0, 1]);
  expect(result.create[0]?.metadata?.ownerReferences?.[0]?.uid).toBe("another life");
});

test("a family that the Service no longer has loses its slices", () => {
  const dual = service({ ipFamilies: ["IPv4", "IPv6"] });
  const given = [pod({ ips: ["10.0.0.1", "fd00::1"] })];
  const existing = plan({ service: dual, pods: given }).create.map(stored);
  expect(existing.map(({ addressType }) => addressType)).toEqual(["IPv4", "IPv6"]);
  const result = plan({ pods: given, existing });
  expect(counts(result)).toEqual([0, 0, 1]);
  expect(result.remove[0]?.addressType).toBe("IPv6");
});

test("a new slice belongs to its Service", () => {
  const { metadata, addressType } = plan({ pods: pods(1), trigger: "2026-01-01T00:00:00.5Z" }).create[0] ?? {};
  expect(addressType).toBe("IPv4");
  expect(metadata).toEqual({
    generateName: "web-",
    namespace: "shop",
    labels: { [serviceNameLabel]: "web", [managedByLabel]: sliceController },
    annotations: { [triggerTimeAnnotation]: "2026-01-01T00:00:00.5Z" },
    ownerReferences: [
      { apiVersion: "v1", kind: "Service", name: "web", uid: "uid-web", controller: true, blockOwnerDeletion: true },
    ],
  });
});

test("a name from which no other can be made by a dash stands alone", () => {
  const name = "a".repeat(253);
  expect(plan({ service: service({}, { name }), pods: [] }).create[0]?.metadata?.generateName).toBe(name);
});

const ours = { [serviceNameLabel]: "web", [managedByLabel]: sliceController };

test.for<[string, NonNullable<Service["spec"]>, Record<string, string>, Record<string, string>]>([
  ["none", {}, {}, ours],
  ["the Service's", {}, { team: "a", "example.org/x": "y" }, { ...ours, team: "a", "example.org/x": "y" }],
  ["one that names another Service", {}, { [serviceNameLabel]: "bank" }, ours],
  ["one that names another manager", {}, { [managedByLabel]: "me" }, ours],
  ["one that says headless", {}, { [headlessLabel]: "" }, ours],
  [
    "all three hijacked",
    {},
    { [serviceNameLabel]: "x", [managedByLabel]: "y", [headlessLabel]: "z", a: "b" },
    { ...ours, a: "b" },
  ],
  ["a headless Service", { clusterIP: "None" }, {}, { ...ours, [headlessLabel]: "" }],
  ["a headless Service without any address", { clusterIP: "" }, {}, { ...ours, [headlessLabel]: "" }],
  [
    "a headless Service with a value of its own",
    { clusterIP: "None" },
    { [headlessLabel]: "yes" },
    { ...ours, [headlessLabel]: "" },
  ],
])("labels: %s", ([, spec, labels, expected]) => {
  expect(serviceOwner(service(spec, { labels }), sliceController).labels).toEqual(expected);
});

test("changed labels are written to every slice, once, without the labels that went", () => {
  const all = pods(150);
  const existing = plan({ service: service({}, { labels: { old: "x", same: "y" } }), pods: all }).create.map(stored);
  const subject = service({}, { labels: { new: "z", same: "y" } });
  const result = plan({ service: subject, pods: all, existing });
  expect(counts(result)).toEqual([0, 2, 0]);
  for (const { metadata } of result.update) expect(metadata?.labels).toEqual({ ...ours, new: "z", same: "y" });
  expect(counts(plan({ service: subject, pods: all, existing: carryOut(existing, result) }))).toEqual([0, 0, 0]);
});

test("a slice written for its labels takes new endpoints along", () => {
  const all = pods(150);
  const existing = slicesOf(all, 90, 20);
  const result = plan({ service: service({}, { labels: { a: "b" } }), pods: all, existing });
  expect(counts(result)).toEqual([0, 2, 0]);
  expect(sizes(result.update)).toEqual([100, 50]);
});

test("annotations of others stay; the trigger time goes when nothing is known", () => {
  const [slice] = plan({ pods: pods(1), trigger: "2026-01-01T00:00:00Z" }).create.map(stored);
  if (slice?.metadata === undefined) throw new Error("there is no slice");
  const noted = {
    ...slice,
    metadata: { ...slice.metadata, annotations: { ...slice.metadata.annotations, note: "mine" } },
  };
  expect(counts(plan({ pods: pods(1), existing: [noted] }))).toEqual([0, 0, 0]);
  const { update } = plan({ pods: pods(2), existing: [noted] });
  expect(update[0]?.metadata?.annotations).toEqual({ note: "mine" });
});

test("the plan leaves what it was given as it was", () => {
  const all = pods(120);
  const existing = slicesOf(all, 80, 20);
  const before = structuredClone(existing);
  plan({ pods: all.slice(10), existing, trigger: "2026-01-01T00:00:00Z" });
  expect(existing).toEqual(before);
});

test("of the slices that are written the fullest is filled first", () => {
  const endpoint = (n: number): ApiEndpoint => ({ addresses: [`10.0.0.${n}`], conditions: { ready: true } });
  const existing = [
    { slice: "small", endpoints: [1, 99].map(endpoint) },
    { slice: "large", endpoints: [2, 3, 98].map(endpoint) },
  ];
  const { update } = packSlices({ existing, wanted: [1, 2, 3, 4, 5].map(endpoint), most: 4 });
  const content = update.map(({ slice, endpoints }) => [slice, endpoints.flatMap(({ addresses }) => addresses)]);
  expect(Object.fromEntries(content)).toEqual({
    large: ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"],
    small: ["10.0.0.1"],
  });
});

test("packing keeps an unchanged endpoint where it is", () => {
  const endpoint = (n: number): ApiEndpoint => ({ addresses: [`10.0.0.${n}`], conditions: { ready: true } });
  const existing = [
    { slice: "a", endpoints: [1, 2, 3].map(endpoint) },
    { slice: "b", endpoints: [4, 5].map(endpoint) },
  ];
  const packing = packSlices({ existing, wanted: [5, 6, 1, 2, 3, 4].map(endpoint), most: 3 });
  expect(packing).toMatchObject({
    create: [],
    remove: [],
    keep: ["a"],
    update: [{ slice: "b", endpoints: [4, 5, 6].map(endpoint) }],
  });
});

// A pod as a property test makes it: which, in which condition, by which ports.
const anyPod = fc.record({
  id: fc.integer({ min: 0, max: 40 }),
  ready: fc.boolean(),
  terminating: fc.boolean(),
  port: fc.integer({ min: 1, max: 3 }),
  dual: fc.boolean(),
});
const anyPods = fc.uniqueArray(anyPod, { selector: ({ id }) => id, maxLength: 40 });

test("whatever the order of events, carrying the plan out gives exactly what is wanted, and then nothing is left to do", () => {
  const steps = fc.array(
    fc.record({
      pods: anyPods,
      dual: fc.boolean(),
      label: fc.constantFrom("a", "b"),
      most: fc.integer({ min: 1, max: 7 }),
      lost: fc.nat(5),
    }),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(steps, (sequence) => {
      let existing: EndpointSlice[] = [];
      for (const step of sequence) {
        const subject = service(
          {
            ipFamilies: step.dual ? ["IPv4", "IPv6"] : ["IPv4"],
            ports: [{ name: "web", port: 80, targetPort: "http" }],
          },
          { labels: { tier: step.label } },
        );
        const given = step.pods.map(({ id, ready, terminating, port, dual }) =>
          pod({
            name: `p${id}`,
            ips: [`10.0.0.${id + 1}`, ...(dual ? [`fd00::${id + 1}`] : [])],
            ready,
            terminating,
            ports: { http: 8000 + port },
          }),
        );
        // Somebody takes a slice away behind our back.
        existing = existing.filter((_, index) => index !== step.lost);
        existing = carryOut(existing, plan({ service: subject, pods: given, existing, most: step.most }));
        const { groups } = planGroups({ service: subject, pods: given, node: nodes() });
        const content = (family: string, ports: readonly { port?: number | null }[], endpoint: ApiEndpoint): string =>
          JSON.stringify([family, ports.map(({ port }) => port), endpointKey(endpoint), endpoint.conditions]);
        const wanted = groups.flatMap(({ family, ports, endpoints }) =>
          endpoints.map((each) => content(family, ports, each)),
        );
        const found = existing.flatMap(({ addressType, ports, endpoints }) =>
          (endpoints ?? []).map((each) => content(addressType, ports ?? [], each)),
        );
        expect(found.sort()).toEqual(wanted.sort());
        for (const { endpoints, metadata, addressType } of existing) {
          expect(endpoints?.length).toBeLessThanOrEqual(step.most);
          expect(metadata?.labels?.["tier"]).toBe(step.label);
          expect(groups.some(({ family }) => family === addressType)).toBe(true);
        }
        expect(counts(plan({ service: subject, pods: given, existing, most: step.most }))).toEqual([0, 0, 0]);
      }
    }),
    { numRuns: 300 },
  );
});
