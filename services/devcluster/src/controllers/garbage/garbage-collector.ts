/** Deletes what lost its last owner, and orders deletion in the foreground or without the dependents. */
import type { Startable } from "@fairlead/host";
import type { KubeObject, OwnerReference } from "@fairlead/kube/objects";
import type { ResourceName } from "../../api/resources.ts";
import { resourceNames } from "../../strategies/names.ts";
import { isLeaving, withoutOwners } from "../ownership.ts";
import { QueueController } from "../queue-controller.ts";
import type { ControllerContext, KeySink } from "../queue-controller.ts";
import { OwnedObjects, placeOf, splitPlace } from "./owned-objects.ts";
import type { ObjectPlace } from "./owned-objects.ts";

/** Holds an owner until its blocking dependents are gone. */
export const foregroundFinalizer = "foregroundDeletion";
/** Holds an owner until its dependents no longer name it. */
export const orphanFinalizer = "orphan";

/** Makes the controller. */
export function createGarbageCollector(context: ControllerContext): Startable {
  const work = new GarbageWork(context);
  // Events own nothing and are owned by nothing.
  const resources = resourceNames.map((names) => names.resource).filter((resource) => resource !== "events");
  return new QueueController({
    ...context,
    name: "garbage-collector",
    process: (place, keys) => work.process(place, keys),
    watch: (keys) =>
      resources.map((resource) =>
        context.api.watch(resource, {}, ({ type, object }) => work.observe(resource, type, object, keys)),
      ),
  });
}

class GarbageWork {
  readonly #context: ControllerContext;
  readonly #owned = new OwnedObjects();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  observe(resource: ResourceName, type: "ADDED" | "MODIFIED" | "DELETED", object: KubeObject, keys: KeySink): void {
    const place = placeOf(resource, object);
    if (type === "DELETED") {
      this.#owned.forget(place);
      for (const dependent of this.#owned.of(object.metadata?.uid)) keys.add(dependent);
      // Owners that wait for this object in the foreground.
      for (const owner of object.metadata?.ownerReferences ?? []) this.#addOwner(object, owner, keys);
      return;
    }
    const owned = this.#owned.note(place, object);
    if (owned || (isLeaving(object) && heldByUs(object))) keys.add(place);
    if (owned && isLeaving(object)) {
      for (const owner of object.metadata?.ownerReferences ?? []) this.#addOwner(object, owner, keys);
    }
  }

  process(place: ObjectPlace, keys: KeySink): void {
    const { resource, namespace, name } = splitPlace(place);
    const object: KubeObject | undefined = this.#context.api.find(resource, namespace, name);
    if (!object) return;
    if (isLeaving(object)) {
      if (hasFinalizer(object, orphanFinalizer)) this.#orphan(place, object);
      if (hasFinalizer(object, foregroundFinalizer)) this.#waitForDependents(place, object, keys);
    } else {
      this.#checkOwners(place, object);
    }
  }

  /** Deletes the object if none of its owners is left. */
  #checkOwners(place: ObjectPlace, object: KubeObject): void {
    const { api } = this.#context;
    const { resource, namespace, name } = splitPlace(place);
    const owners = object.metadata?.ownerReferences ?? [];
    if (owners.length === 0) return;
    const states = owners.map((owner) => ({ owner, state: this.#stateOf(object, owner) }));
    const staying = states.filter(({ state }) => state === "stays");
    if (staying.length > 0) {
      const gone = new Set(states.filter(({ state }) => state !== "stays").map(({ owner }) => owner.uid));
      if (gone.size > 0) this.#modify(place, (copy) => withoutOwners(copy, gone));
      return;
    }
    // An owner that waits for its dependents waits for theirs as well.
    const waiting = states.some(({ state }) => state === "waits") && this.#owned.of(object.metadata?.uid).length > 0;
    const { uid } = object.metadata ?? {};
    api.delete(resource, namespace, name, {
      propagationPolicy: waiting ? "Foreground" : "Background",
      ...(uid === undefined ? {} : { preconditions: { uid } }),
    });
  }

  #waitForDependents(place: ObjectPlace, object: KubeObject, keys: KeySink): void {
    const { uid } = object.metadata ?? {};
    const dependents = this.#owned.of(uid);
    const blocking = dependents.filter((dependent) => {
      const { resource, namespace, name } = splitPlace(dependent);
      const found: KubeObject | undefined = this.#context.api.find(resource, namespace, name);
      return found?.metadata?.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true);
    });
    if (blocking.length === 0) this.#dropFinalizer(place, foregroundFinalizer);
    for (const dependent of dependents) keys.add(dependent);
  }

  #orphan(place: ObjectPlace, object: KubeObject): void {
    const uids = new Set([object.metadata?.uid ?? ""]);
    for (const dependent of this.#owned.of(object.metadata?.uid)) {
      this.#modify(dependent, (copy) => withoutOwners(copy, uids));
    }
    this.#dropFinalizer(place, orphanFinalizer);
  }

  /** Whether an owner stays, is gone, or waits for its dependents to go. What cannot be looked up is taken to stay. */
  #stateOf(object: KubeObject, reference: OwnerReference): "stays" | "gone" | "waits" {
    const place = ownerPlace(object, reference);
    if (!place) return "stays";
    const { resource, namespace, name } = splitPlace(place);
    const owner: KubeObject | undefined = this.#context.api.find(resource, namespace, name);
    if (!owner || owner.metadata?.uid !== reference.uid) return "gone";
    return isLeaving(owner) && hasFinalizer(owner, foregroundFinalizer) ? "waits" : "stays";
  }

  #addOwner(object: KubeObject, reference: OwnerReference, keys: KeySink): void {
    const place = ownerPlace(object, reference);
    if (place) keys.add(place);
  }

  #dropFinalizer(place: ObjectPlace, finalizer: string): void {
    this.#modify(place, (copy) => {
      const finalizers = (copy.metadata?.finalizers ?? []).filter((one) => one !== finalizer);
      copy.metadata = { ...copy.metadata, finalizers };
      if (finalizers.length === 0) delete copy.metadata.finalizers;
      return copy;
    });
  }

  #modify(place: ObjectPlace, change: (copy: KubeObject) => KubeObject): void {
    const { resource, namespace, name } = splitPlace(place);
    // Only metadata is touched, which every kind has alike; the namespaces stand for all of them here.
    this.#context.api.modify(resource as "namespaces", namespace, name, change);
  }
}

function heldByUs(object: KubeObject): boolean {
  return hasFinalizer(object, foregroundFinalizer) || hasFinalizer(object, orphanFinalizer);
}

function hasFinalizer(object: KubeObject, finalizer: string): boolean {
  return object.metadata?.finalizers?.includes(finalizer) === true;
}

/** Where the owner is that a reference names: in the object's namespace, or cluster-wide. */
function ownerPlace(object: KubeObject, { apiVersion, kind, name }: OwnerReference): ObjectPlace | undefined {
  const slash = apiVersion.indexOf("/");
  const group = slash < 0 ? "" : apiVersion.slice(0, slash);
  const names = resourceNames.find((one) => one.kind === kind && one.group === group);
  if (!names) return undefined;
  const namespace = names.namespaced ? (object.metadata?.namespace ?? "") : "";
  return placeOf(names.resource, { metadata: { namespace, name } });
}
