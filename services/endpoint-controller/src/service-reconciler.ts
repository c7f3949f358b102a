/** Brings the EndpointSlices and the Endpoints of one Service to what they should be. Reads the local copies, writes to the API. */
import type { Endpoints, EndpointSlice, EventNote, EventSubject, KubeClient, Node, Service } from "@fairlead/kube";
import type { EndpointControllerMetrics } from "./metrics.ts";
import { planGroups } from "./plan/endpoint-groups.ts";
import { planEndpoints } from "./plan/endpoints-planner.ts";
import { withHints } from "./plan/hints.ts";
import {
  endpointsController,
  endpointsManagedByLabel,
  managedByLabel,
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
  readonly triggers: TriggerTracker;
  readonly metrics: EndpointControllerMetrics;
  readonly node: (name: string) => Node | undefined;
  readonly endpoints: (namespace: string, name: string) => Endpoints | undefined;
  readonly recordEvent: (about: EventSubject, note: EventNote) => void;
}

/** Thrown when a Service was brought only part of the way; the next try goes on. */
class IncompleteError extends Error {}

/** See the module. */
export class ServiceReconciler {
  readonly #options: ServiceReconcilerOptions;

  constructor(options: ServiceReconcilerOptions) {
    this.#options = options;
  }

  /** One pass; throws where something is left to do, to be called again. */
  async reconcile(namespace: string, name: string): Promise<void> {
    const { index, triggers, endpoints } = this.#options;
    const service = index.service(namespace, name);
    const existing = this.#options.slices.of(namespace, name);
    const bySelector = existing.filter((slice) => managedBy(slice) === sliceController);
    const mirrored = existing.filter((slice) => managedBy(slice) === mirrorController);
    const current = endpoints(namespace, name);
    if (service === undefined || !hasSelector(service) || service.spec?.type === "ExternalName") {
      triggers.forget(`${namespace}/${name}`);
      // A Service that is gone takes its slices along through the garbage collector; the others' would stay for ever.
      if (service !== undefined) await this.#write({ create: [], update: [], remove: bySelector });
      await this.#removeOwnEndpoints(current);
      await this.#mirror(service, current, mirrored);
      return;
    }
    await this.#write({ create: [], update: [], remove: mirrored });
    await this.#select(service, bySelector, current);
  }

  async #select(service: Service, existing: readonly EndpointSlice[], current: Endpoints | undefined): Promise<void> {
    const { index, triggers, node } = this.#options;
    const key = `${service.metadata?.namespace}/${service.metadata?.name}`;
    const pods = index.podsOf(service);
    const trigger = triggers.next(key, service, pods);
    const { groups, withoutNode } = planGroups({ service, pods, node });
    const hinted = groups.map((group) => ({
      ...group,
      endpoints: group.endpoints.map((endpoint) => withHints(service, endpoint)),
    }));
    await this.#write(planSlices({ owner: serviceOwner(service, sliceController), groups: hinted, existing, trigger }));
    if (service.metadata?.deletionTimestamp === undefined) {
      await this.#writeEndpoints(planEndpoints({ service, pods, node, current, trigger }));
    }
    if (withoutNode.length > 0)
      throw new IncompleteError(`left out, for want of their Node: ${withoutNode.join(", ")}`);
  }

  async #mirror(
    service: Service | undefined,
    endpoints: Endpoints | undefined,
    existing: readonly EndpointSlice[],
  ): Promise<void> {
    if (!isMirrored(service, endpoints)) {
      await this.#write({ create: [], update: [], remove: existing });
      return;
    }
    const { groups, invalid, surplus } = planMirror(endpoints);
    await this.#write(planSlices({ owner: mirrorOwner(endpoints), groups, existing, trigger: undefined, most: 1000 }));
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
  }

  async #write({ create, update, remove }: SlicePlan): Promise<void> {
    const { client, slices, metrics } = this.#options;
    for (const slice of update) {
      slices.put(await client.replace("endpointslices", slice));
      metrics.sliceChanges.inc({ operation: "update" });
    }
    for (const slice of create) {
      slices.put(await client.create("endpointslices", slice));
      metrics.sliceChanges.inc({ operation: "create" });
    }
    for (const slice of remove) {
      const { namespace, name = "", uid } = slice.metadata ?? {};
      await client.delete("endpointslices", { namespace, name }, uid);
      slices.remove(slice);
      metrics.sliceChanges.inc({ operation: "delete" });
    }
  }

  async #writeEndpoints(next: Endpoints | undefined): Promise<void> {
    if (next === undefined) return;
    const { client } = this.#options;
    await (next.metadata?.resourceVersion === undefined
      ? client.create("endpoints", next)
      : client.replace("endpoints", next));
  }

  /** Endpoints that we made go when the Service goes or loses its selector; hand-made ones are the user's. */
  async #removeOwnEndpoints(endpoints: Endpoints | undefined): Promise<void> {
    if (endpoints?.metadata?.labels?.[endpointsManagedByLabel] !== endpointsController) return;
    const { namespace, name = "", uid } = endpoints.metadata;
    await this.#options.client.delete("endpoints", { namespace, name }, uid);
  }
}

function managedBy(slice: EndpointSlice): string | undefined {
  return slice.metadata?.labels?.[managedByLabel];
}
