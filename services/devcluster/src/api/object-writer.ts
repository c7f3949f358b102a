/** Writing: what holds for every create, replace, patch and delete, around what the strategy of the resource says. */
import type { KubeObject, Namespace } from "@fairlead/kube/objects";
import type { Clock, Random } from "@fairlead/types";
import { ObjectTooLargeError } from "../store/errors.ts";
import { copyJson, sameJson } from "../store/json.ts";
import type { ObjectStore, Write } from "../store/object-store.ts";
import type { DeleteOptions } from "./cluster-api.ts";
import { checkPreconditions, isFinished, planDeletion } from "./deletion.ts";
import {
  alreadyExists,
  ApiError,
  badRequest,
  conflict,
  type FieldCause,
  forbidden,
  invalid,
  notFound,
  type ObjectReference,
  requestTooLarge,
} from "./errors.ts";
import type { Kinds } from "./kinds.ts";
import { generatedName, keptMetadata, lateFinalizers, newMetadata } from "./metadata.ts";
import type { ObjectReader } from "./object-reader.ts";
import type { WriteOptions } from "./request-api.ts";
import type { ResourceName } from "./resources.ts";
import type { Strategy } from "./strategy.ts";
import type { WatchHub } from "./watch-hub.ts";

/** Tries to find a free name for `generateName`. */
export const generateNameTries = 8;

/** Namespaces that a cluster cannot be without. */
const permanentNamespaces = new Set(["default", "kube-system", "kube-public"]);

/** Resources whose update must name the version it is based on, because they are used as locks. */
const versionRequired = new Set<ResourceName>(["leases"]);

/** What the writer works with. */
export interface ObjectWriterOptions {
  readonly store: ObjectStore;
  readonly kinds: Kinds;
  readonly hub: WatchHub;
  readonly reader: ObjectReader;
  readonly clock: Clock;
  readonly random: Random;
  /** Told what a strategy throws after a write, which stands all the same. */
  readonly onError: (error: unknown) => void;
}

/** See the module; each function is that of the request API of the same name. */
export class ObjectWriter {
  readonly #store: ObjectStore;
  readonly #kinds: Kinds;
  readonly #hub: WatchHub;
  readonly #reader: ObjectReader;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onError: (error: unknown) => void;

  constructor({ store, kinds, hub, reader, clock, random, onError }: ObjectWriterOptions) {
    this.#store = store;
    this.#kinds = kinds;
    this.#hub = hub;
    this.#reader = reader;
    this.#clock = clock;
    this.#random = random;
    this.#onError = onError;
  }

  createWith(resource: ResourceName, given: KubeObject, { dryRun = false, owners }: WriteOptions): KubeObject {
    const { strategy } = this.#kinds.of(resource);
    const object = this.#kinds.typed(resource, copyJson(given));
    const metadata = object.metadata ?? {};
    if (metadata.resourceVersion) throw badRequest("resourceVersion should not be set on objects to be created");
    const namespace = this.#kinds.namespaceFor(resource, metadata.namespace);
    const name = metadata.name || this.#freeName(resource, namespace, metadata.generateName);
    const about = this.#kinds.about(resource, name);
    if (!name) {
      const message = "Required value: name or generateName is required";
      throw invalid(about, [{ reason: "FieldValueRequired", field: "metadata.name", message }]);
    }
    if (namespace !== undefined) this.#requireActive(namespace, about);
    if (this.#reader.find(resource, namespace, name)) throw alreadyExists(about);
    object.metadata = newMetadata(metadata, name, namespace, this.#clock.now());
    if (!owners) delete object.metadata.managedFields;
    strategy.default(object);
    let final = object;
    const stored = this.#guarded(strategy, object, undefined, () => {
      strategy.prepareCreate?.(object);
      refuse(about, strategy.validateCreate(object));
      final = owners?.(undefined, object) ?? object;
      return dryRun ? undefined : this.#commit([{ op: "put", resource, object: final }], strategy);
    });
    return stored ?? final;
  }

  replaceWith(resource: ResourceName, given: KubeObject, options: WriteOptions): KubeObject {
    const { metadata = {} } = given;
    const namespace = this.#kinds.namespaceFor(resource, metadata.namespace);
    if (!metadata.name) throw badRequest("name must be provided");
    const stored = this.#reader.get(resource, namespace, metadata.name);
    return this.#replace(resource, stored, copyJson(given), options);
  }

  patchWith(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    change: (current: KubeObject) => KubeObject,
    options: WriteOptions,
  ): KubeObject {
    const stored = this.#reader.get(resource, namespace, name);
    const changed = copyJson(change(copyJson<KubeObject>(stored)));
    const metadata = changed.metadata ?? {};
    if ((metadata.name ?? name) !== name || (metadata.namespace ?? namespace) !== namespace) {
      throw badRequest("a patch cannot change the name or the namespace of an object");
    }
    return this.#replace(resource, stored, changed, options);
  }

  deleteWith(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions & { readonly dryRun?: boolean },
  ): { readonly object: KubeObject; readonly gone: boolean } {
    const stored: KubeObject = this.#reader.get(resource, namespace, name);
    const { strategy } = this.#kinds.of(resource);
    const about = this.#kinds.about(resource, name);
    checkPreconditions(about, stored.metadata ?? {}, options.preconditions);
    if (resource === "namespaces" && permanentNamespaces.has(name)) {
      throw forbidden(about, "this namespace may not be deleted");
    }
    const plan = planDeletion(copyJson(stored), {
      graceSeconds: strategy.gracePeriodSeconds?.(stored, options.gracePeriodSeconds) ?? 0,
      addFinalizer: finalizerFor(options.propagationPolicy),
      now: this.#clock.now(),
    });
    if (plan.step === "nothing" || options.dryRun) return { object: stored, gone: plan.step === "remove" };
    if (plan.step === "remove") {
      this.#remove(resource, stored);
      return { object: stored, gone: true };
    }
    return { object: this.#commit([{ op: "put", resource, object: plan.object }], strategy, stored), gone: false };
  }

  #replace(resource: ResourceName, stored: KubeObject, given: KubeObject, options: WriteOptions): KubeObject {
    const { strategy } = this.#kinds.of(resource);
    const metadata = stored.metadata ?? {};
    const about = this.#kinds.about(resource, metadata.name ?? "");
    this.#checkVersion(resource, about, given, stored);
    const object = this.#kinds.typed(resource, options.status ? withStatus(copyJson(stored), given) : given);
    object.metadata = keptMetadata(object.metadata ?? {}, metadata);
    const { managedFields } = (options.owners ? given : stored).metadata ?? {};
    if (managedFields) object.metadata.managedFields = copyJson(managedFields);
    else delete object.metadata.managedFields;
    if (options.status) return this.#replaceStatus(resource, about, object, stored, options);
    strategy.default(object);
    let final = object;
    const written = this.#guarded(strategy, object, stored, () => {
      strategy.prepareUpdate?.(object, stored);
      refuse(about, [...strategy.validateUpdate(object, stored), ...lateFinalizers(object, stored)]);
      final = options.owners?.(stored, object) ?? object;
      if (options.dryRun) return undefined;
      if (isFinished(object)) {
        strategy.rollback?.(object, stored);
        return this.#remove(resource, stored);
      }
      if (sameJson(final, stored)) return undefined;
      return this.#commit([{ op: "put", resource, object: final }], strategy, stored);
    });
    return written ?? (options.dryRun ? final : stored);
  }

  #replaceStatus(
    resource: ResourceName,
    about: ObjectReference,
    object: KubeObject,
    stored: KubeObject,
    options: WriteOptions,
  ): KubeObject {
    const { strategy } = this.#kinds.of(resource);
    strategy.defaultStatus?.(object);
    refuse(about, strategy.validateStatus?.(object, stored) ?? []);
    const final = options.owners?.(stored, object) ?? object;
    if (options.dryRun || sameJson(final, stored)) return final;
    return this.#commit([{ op: "put", resource, object: final }], strategy, stored);
  }

  #checkVersion(resource: ResourceName, about: ObjectReference, given: KubeObject, stored: KubeObject): void {
    const { resourceVersion, uid } = given.metadata ?? {};
    const current = stored.metadata ?? {};
    if (uid && uid !== current.uid) {
      throw conflict(about, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.uid}`);
    }
    if (resourceVersion && resourceVersion !== current.resourceVersion) {
      throw conflict(
        about,
        "the object has been modified; please apply your changes to the latest version and try again",
      );
    }
    if (!resourceVersion && versionRequired.has(resource)) {
      const message = "Invalid value: 0: must be specified for an update";
      throw invalid(about, [{ reason: "FieldValueInvalid", field: "metadata.resourceVersion", message }]);
    }
  }

  #remove(resource: ResourceName, stored: KubeObject): KubeObject {
    const { namespace = "", name = "" } = stored.metadata ?? {};
    const events = this.#store.write([{ op: "delete", resource, namespace, name }]);
    this.#notify(() => this.#kinds.of(resource).strategy.deleted?.(stored));
    this.#hub.publish(events);
    return events[0]?.object ?? stored;
  }

  #commit(writes: readonly Write[], strategy: Strategy<KubeObject>, old?: KubeObject): KubeObject {
    const events = this.#store.write(writes);
    const object = events[0]?.object as KubeObject;
    this.#notify(() => strategy.committed?.(object, old));
    this.#hub.publish(events);
    return object;
  }

  // What follows a durable write may not turn it into a failure.
  #notify(hook: () => void): void {
    try {
      hook();
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Runs a write; rolls the strategy back where it throws or where nothing came to be stored. */
  #guarded<T>(
    strategy: Strategy<KubeObject>,
    object: KubeObject,
    old: KubeObject | undefined,
    write: () => T | undefined,
  ): T | undefined {
    try {
      const written = write();
      if (written === undefined) strategy.rollback?.(object, old);
      return written;
    } catch (error) {
      strategy.rollback?.(object, old);
      if (error instanceof ObjectTooLargeError) throw requestTooLarge(error.limitBytes);
      throw error;
    }
  }

  #requireActive(name: string, about: ObjectReference): void {
    const namespace: Namespace | undefined = this.#reader.find("namespaces", undefined, name);
    if (!namespace) throw notFound({ resource: "namespaces", group: "", kind: "Namespace", name });
    if (namespace.metadata?.deletionTimestamp === undefined) return;
    const { status } = forbidden(
      about,
      `unable to create new content in namespace ${name} because it is being terminated`,
    );
    throw new ApiError(403, status.reason, status.message, {
      ...status.details,
      causes: [
        {
          reason: "NamespaceTerminating",
          message: `namespace ${name} is being terminated`,
          field: "metadata.namespace",
        },
      ],
    });
  }

  #freeName(resource: ResourceName, namespace: string | undefined, prefix: string | undefined): string {
    if (!prefix) return "";
    for (let attempt = 1; ; attempt++) {
      const name = generatedName(prefix, this.#random);
      if (attempt === generateNameTries || !this.#reader.find(resource, namespace, name)) return name;
    }
  }
}

function refuse(about: ObjectReference, causes: readonly FieldCause[]): void {
  if (causes.length > 0) throw invalid(about, causes);
}

function withStatus(stored: KubeObject, given: KubeObject): KubeObject {
  const { status } = given as { status?: unknown };
  return { ...stored, ...(status === undefined ? {} : { status }) };
}

function finalizerFor(policy: DeleteOptions["propagationPolicy"]): string | undefined {
  if (policy === "Foreground") return "foregroundDeletion";
  return policy === "Orphan" ? "orphan" : undefined;
}
