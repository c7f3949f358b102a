/** Brings the EndpointSlices and the Endpoints of one Service to what they should be. Reads the local copies, writes to the API. */
import { isNamespaceTerminating } from "@fairlead/kube";
import type { Endpoints, EndpointSlice, EventNote, EventSubject, KubeClient, Node, Service } from "@fairlead/kube";
import type { EndpointsCache } from "./endpoints-cache.ts";
import { NodeMissingError } from "./errors.ts";
import type { EndpointControllerMetrics } from "./metrics.ts";
import { planGroups } from "./plan/endpoint-groups.ts";
import { planEndpoints } from "./plan/endpoints-planner.ts";
import { withHints } from "./plan/hints.ts";
import {
  endpointsController,
  endpointsManagedByLabel,
  managedByLabel,
  maxMirroredAddresses,
  mirrorController,
  sliceController,
} from "./plan/labels.ts";
import { isMirrored, mirrorOwner, planMirror } from "./plan/mirror-planner.ts";
import { hasSelector } from "./plan/pod-selection.ts";
import { planSlices, serviceOwner } from "./plan/slice-planner.ts";
import type { SlicePlan } from "./plan/slice-planner.ts";
import type { NamespaceIndex } from "./pod-index.ts";
import type { SliceCache } from "./slice-cache.ts";
import type { TriggerTracker } from "./trigger-tracker.ts";

/** What a reconciler works with. */
export interface ServiceReconcilerOptions {
  readonly client: KubeClient;
  readonly index: NamespaceIndex;
  readonly slices: SliceCache;
  readonly written: EndpointsCache;
  readonly triggers: TriggerTracker;
  readonly metrics: EndpointControllerMetrics;
  readonly node: (name: string) => Node | undefined;
  /** Endpoints as an informer shows them. */
  readonly endpoints: (namespace: string, name: string) => Endpoints | undefined;
  readonly recordEvent: (about: EventSubject, note: EventNote) => void;
}

/** See the module. */
export class ServiceReconciler {
  readonly #options: ServiceReconcilerOptions;

  constructor(options: ServiceReconcilerOptions) {
    this.#options = options;
  }

  /** One pass, with the number of writes it took; throws where something is left to do, to be called again. */
  async reconcile(namespace: string, name: string): Promise<number> {
    const { index, triggers, endpoints, slices, written } = this.#options;
    const key = `${namespace}/${name}`;
    const service = index.service(namespace, name);
    const existing = slices.of(namespace, name);
    const bySelector = existing.filter((slice) => managedBy(slice) === sliceController);
    const mirrored = existing.filter((slice) => managedBy(slice) === mirrorController);
    const current = written.newest(key, endpoints(namespace, name));
    if (service === undefined || !hasSelector(service) || service.spec?.type === "ExternalName") {
      triggers.forget(key);
      // A Service that is gone takes its slices along through the garbage collector; the others' would stay for ever.
      const removed = service === undefined ? 0 : await this.#write({ create: [], update: [], remove: bySelector });
      return removed + (await this.#removeOwnEndpoints(current)) + (await this.#mirror(service, current, mirrored));
    }
    const removed = await this.#write({ create: [], update: [], remove: mirrored });
    return removed + (await this.#select(service, bySelector, current));
  }

  async #select(service: Service, existing: readonly EndpointSlice[], current: Endpoints | undefined): Promise<number> {
    const { index, triggers, node } = this.#options;
    const { namespace = "", name = "", uid, deletionTimestamp } = service.metadata ?? {};
    const pods = index.podsOf(service);
    const owner = serviceOwner(service, sliceController);
    const known = existing.some(({ metadata }) =>
      metadata?.ownerReferences?.some((reference) => reference.uid === uid),
    );
    const trigger = triggers.next(`${namespace}/${name}`, service, pods, known);
    const { groups, withoutNode } = planGroups({ service, pods, node });
    const hinted = groups.map((group) => ({
      ...group,
      endpoints: group.endpoints.map((endpoint) => withHints(service, endpoint)),
    }));
    let writes = await this.#write(planSlices({ owner, groups: hinted, existing, trigger: trigger.time }));
    if (deletionTimestamp === undefined) {
      writes += await this.#writeEndpoints(planEndpoints({ service, pods, node, current, trigger: trigger.time }));
    }
    trigger.remember();
    if (withoutNode.length > 0) throw new NodeMissingError(withoutNode);
    return writes;
  }

  async #mirror(
    service: Service | undefined,
    endpoints: Endpoints | undefined,
    existing: readonly EndpointSlice[],
  ): Promise<number> {
    if (!isMirrored(service, endpoints)) return this.#write({ create: [], update: [], remove: existing });
    const { groups, invalid, surplus } = planMirror(endpoints);
    const owner = mirrorOwner(endpoints);
    const most = maxMirroredAddresses;
    const writes = await this.#write(planSlices({ owner, groups, existing, trigger: undefined, most }));
    const { namespace = "", name = "", uid = "" } = endpoints.metadata ?? {};
    const about = { apiVersion: "v1", kind: "Endpoints", namespace, name, uid };
    if (invalid.length > 0) {
      const message = `Skipped addresses that are none: ${invalid.join(", ")}`;
      this.#options.recordEvent(about, { type: "Warning", reason: "InvalidIPAddress", message });
    }
    if (surplus > 0) {
      const message = `Skipped ${surplus} addresses: a subset mirrors 1000 at most`;
      this.#options.recordEvent(about, { type: "Warning", reason: "TooManyAddressesToMirror", message });
    }
    return writes;
  }

  async #write({ create, update, remove }: SlicePlan): Promise<number> {
    const { client, slices, metrics } = this.#options;
    let writes = 0;
    const count = (operation: "create" | "update" | "delete"): void => {
      writes += 1;
      metrics.sliceChanges.inc({ operation });
    };
    // What is new goes first and what is old last: for a moment an endpoint may stand twice, but never nowhere.
    for (const slice of update) {
      slices.put(await client.replace("endpointslices", slice));
      count("update");
    }
    for (const slice of create) {
      const stored = await unlessTerminating(client.create("endpointslices", slice));
      if (stored === undefined) continue;
      slices.put(stored);
      count("create");
    }
    for (const slice of remove) {
      const { namespace, name = "", uid } = slice.metadata ?? {};
      await client.delete("endpointslices", { namespace, name }, uid);
      slices.remove(slice);
      count("delete");
    }
    return writes;
  }

  async #writeEndpoints(next: Endpoints | undefined): Promise<number> {
    if (next === undefined) return 0;
    const { client, written, metrics } = this.#options;
    const key = `${next.metadata?.namespace}/${next.metadata?.name}`;
    const operation = next.metadata?.resourceVersion === undefined ? "create" : "update";
    try {
      const stored = await (operation === "create"
        ? unlessTerminating(client.create("endpoints", next))
        : client.replace("endpoints", next));
      if (stored === undefined) return 0;
      written.put(key, stored);
      metrics.endpointsChanges.inc({ operation });
      return 1;
    } catch (error) {
      // Somebody else wrote: what the informer shows next is what counts.
      written.forget(key);
      throw error;
    }
  }

  /** Endpoints that we made go when the Service goes or loses its selector; hand-made ones are the user's. */
  async #removeOwnEndpoints(endpoints: Endpoints | undefined): Promise<number> {
    if (endpoints?.metadata?.labels?.[endpointsManagedByLabel] !== endpointsController) return 0;
    const { client, written, metrics } = this.#options;
    const { namespace = "", name = "", uid = "" } = endpoints.metadata;
    await client.delete("endpoints", { namespace, name }, uid);
    written.deleted(`${namespace}/${name}`, uid);
    metrics.endpointsChanges.inc({ operation: "delete" });
    return 1;
  }
}

/** In a namespace on its way out nothing can be made, and nothing needs to be. */
async function unlessTerminating<T>(creation: Promise<T>): Promise<T | undefined> {
  try {
    return await creation;
  } catch (error) {
    if (isNamespaceTerminating(error)) return undefined;
    throw error;
  }
}

function managedBy(slice: EndpointSlice): string | undefined {
  return slice.metadata?.labels?.[managedByLabel];
}
