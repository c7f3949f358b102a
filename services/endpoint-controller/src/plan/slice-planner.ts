/** The EndpointSlices of a Service: what to create, change and remove, given what there is. Pure. */
import type { EndpointSlice, Service } from "@fairlead/kube";
import { isDnsSubdomain } from "@fairlead/types";
import { groupKey } from "./endpoint-groups.ts";
import type { ApiEndpoint, EndpointGroup } from "./endpoint-groups.ts";
import {
  headlessLabel,
  managedByLabel,
  maxEndpointsPerSlice,
  serviceNameLabel,
  triggerTimeAnnotation,
} from "./labels.ts";
import { isHeadless } from "./pod-selection.ts";
import { packSlices } from "./slice-packer.ts";

/** Writes that bring the slices of a Service to what they should be. */
export interface SlicePlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

/** Who owns the slices, and what they carry besides endpoints. */
export interface SliceOwner {
  /** Value of the managed-by label. */
  readonly managedBy: string;
  readonly owner: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
  };
  /** Name of the Service: value of the service-name label, and what slice names begin with. */
  readonly service: string;
  /** Labels as they should be on every slice. */
  readonly labels: Readonly<Record<string, string>>;
  /** Annotations as they should be, besides the trigger time; `undefined` leaves those of others alone. */
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** Being deleted: nothing new is made for it. */
  readonly leaving: boolean;
}

/** The owner of slices made from a Service's selector. The Service's labels are copied; the reserved ones are ours. */
export function serviceOwner(service: Service, managedBy: string): SliceOwner {
  const { name = "", namespace = "", uid = "", labels = {}, deletionTimestamp } = service.metadata ?? {};
  const { [headlessLabel]: _headless, ...copied } = labels;
  return {
    managedBy,
    owner: { apiVersion: "v1", kind: "Service", name, namespace, uid },
    service: name,
    labels: {
      ...copied,
      [serviceNameLabel]: name,
      [managedByLabel]: managedBy,
      ...(isHeadless(service) ? { [headlessLabel]: "" } : {}),
    },
    annotations: undefined,
    leaving: deletionTimestamp !== undefined,
  };
}

/**
 * Plans the writes. `existing` are all slices that carry the Service's name and our managed-by label. One that another object owns
 * (an earlier Service of that name) is removed, never adopted. `trigger` (RFC 3339) goes on what is written; without it the
 * annotation goes.
 */
export function planSlices(options: {
  readonly owner: SliceOwner;
  readonly groups: readonly EndpointGroup[];
  readonly existing: readonly EndpointSlice[];
  readonly trigger: string | undefined;
  readonly most?: number;
}): SlicePlan {
  const { owner, groups, existing, trigger, most = maxEndpointsPerSlice } = options;
  const ours = existing.filter((slice) => slice.metadata?.ownerReferences?.some(({ uid }) => uid === owner.owner.uid));
  const remove = existing.filter((slice) => !ours.includes(slice));
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const byGroup = Map.groupBy(ours, (slice) => groupKey(slice.addressType, slice.ports ?? []));
  for (const group of groups) {
    const key = groupKey(group.family, group.ports);
    const slices = byGroup.get(key) ?? [];
    byGroup.delete(key);
    if (group.endpoints.length === 0) {
      // The placeholder of a Service without endpoints: one empty slice, whatever there was.
      const [first, ...others] = slices;
      remove.push(...others);
      if (first === undefined) create.push(newSlice(owner, group, [], trigger));
      else if ((first.endpoints ?? []).length > 0 || !sameMetadata(owner, first)) {
        update.push(rewritten(owner, group, first, [], trigger));
      }
      continue;
    }
    const packing = packSlices({
      existing: slices.map((slice) => ({
        slice,
        endpoints: slice.endpoints ?? [],
        rewrite: !sameMetadata(owner, slice),
      })),
      wanted: group.endpoints,
      most,
    });
    create.push(...packing.create.map((endpoints) => newSlice(owner, group, endpoints, trigger)));
    update.push(...packing.update.map(({ slice, endpoints }) => rewritten(owner, group, slice, endpoints, trigger)));
    remove.push(...packing.remove);
  }
  remove.push(...[...byGroup.values()].flat());
  const plan = reuse({ owner, trigger, create, update, remove });
  return owner.leaving ? { ...plan, create: [] } : plan;
}

/** A slice to be removed takes the content of one to be made, where family and owner are the same: one write for two. */
function reuse(plan: {
  owner: SliceOwner;
  trigger: string | undefined;
  create: EndpointSlice[];
  update: EndpointSlice[];
  remove: EndpointSlice[];
}): SlicePlan {
  const create: EndpointSlice[] = [];
  const update = [...plan.update];
  const remove = [...plan.remove];
  for (const slice of plan.create) {
    const doomed = remove.findIndex(
      (candidate) =>
        candidate.addressType === slice.addressType &&
        candidate.metadata?.ownerReferences?.some(({ uid }) => uid === plan.owner.owner.uid),
    );
    if (doomed === -1) create.push(slice);
    else {
      const [old] = remove.splice(doomed, 1);
      const { generateName: _unused, ...metadata } = slice.metadata ?? {};
      const annotations = annotationsOf(plan.owner, old, plan.trigger);
      update.push({ ...slice, metadata: { ...old?.metadata, ...metadata, annotations } });
    }
  }
  return { create, update, remove };
}

function newSlice(
  owner: SliceOwner,
  group: EndpointGroup,
  endpoints: readonly ApiEndpoint[],
  trigger: string | undefined,
): EndpointSlice {
  const prefix = `${owner.service}-`;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      generateName: isDnsSubdomain(`${prefix}x`) ? prefix : owner.service,
      namespace: owner.owner.namespace,
      ...ownMetadata(owner),
      annotations: annotationsOf(owner, undefined, trigger),
    },
    addressType: group.family,
    ports: group.ports.map((port) => ({ ...port })),
    endpoints: [...endpoints],
  };
}

function rewritten(
  owner: SliceOwner,
  group: EndpointGroup,
  slice: EndpointSlice,
  endpoints: readonly ApiEndpoint[],
  trigger: string | undefined,
): EndpointSlice {
  return {
    ...slice,
    metadata: { ...slice.metadata, ...ownMetadata(owner), annotations: annotationsOf(owner, slice, trigger) },
    ports: group.ports.map((port) => ({ ...port })),
    endpoints: [...endpoints],
  };
}

function ownMetadata(owner: SliceOwner): NonNullable<EndpointSlice["metadata"]> {
  const { namespace: _own, ...reference } = owner.owner;
  return {
    labels: { ...owner.labels },
    ownerReferences: [{ ...reference, controller: true, blockOwnerDeletion: true }],
  };
}

/** The annotations to write on a slice; `slice` as it was, if it was. */
function annotationsOf(
  owner: SliceOwner,
  slice: EndpointSlice | undefined,
  trigger: string | undefined,
): Record<string, string> {
  const others = owner.annotations ?? withoutTrigger(slice);
  return { ...others, ...(trigger === undefined ? {} : { [triggerTimeAnnotation]: trigger }) };
}

function withoutTrigger(slice: EndpointSlice | undefined): Record<string, string> {
  const { [triggerTimeAnnotation]: _trigger, ...others } = slice?.metadata?.annotations ?? {};
  return others;
}

/** Whether labels and annotations are as they should be; the trigger time alone is no reason to write. */
function sameMetadata(owner: SliceOwner, slice: EndpointSlice): boolean {
  return (
    sameEntries(owner.labels, slice.metadata?.labels ?? {}) &&
    (owner.annotations === undefined || sameEntries(owner.annotations, withoutTrigger(slice)))
  );
}

function sameEntries(wanted: Readonly<Record<string, string>>, given: Readonly<Record<string, string>>): boolean {
  const names = new Set([...Object.keys(wanted), ...Object.keys(given)]);
  return [...names].every((name) => wanted[name] === given[name]);
}
