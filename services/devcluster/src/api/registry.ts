/** The Kubernetes API over a store: what holds for every resource lives here, what is particular to one in its strategy. */
import type { KubeObject, Namespace } from "@fairlead/kube/objects";
import type { Clock, Random } from "@fairlead/types";
import { ObjectTooLargeError } from "../store/errors.ts";
import { copyJson, sameJson } from "../store/json.ts";
import type { ObjectStore, Write } from "../store/object-store.ts";
import type { DeleteOptions, EventNote, Selection, WatchEvent } from "./cluster-api.ts";
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
import { EventRecorder } from "./event-recorder.ts";
import { generatedName, keptMetadata, lateFinalizers, newMetadata } from "./metadata.ts";
import { after, decodeToken, encodeToken } from "./pages.ts";
import type { Page, PageOptions, RequestApi, WatchStart, WriteOptions } from "./request-api.ts";
import type { ObjectOf, ResourceName } from "./resources.ts";
import { objectMatcher } from "./selection.ts";
import type { ResourceNames, Strategies, Strategy } from "./strategy.ts";
import { eventAsSeen, WatchHub } from "./watch-hub.ts";

/** Tries of `modify` before a Conflict is handed to the caller. */
export const modifyTries = 8;

/** Tries to find a free name for `generateName`. */
export const generateNameTries = 8;

/** What {@link createClusterApi} needs. The store is open before {@link Registry.start}. */
export interface RegistryOptions {
  readonly store: ObjectStore;
  readonly resources: readonly ResourceNames[];
  readonly strategies: Strategies;
  readonly clock: Clock;
  readonly random: Random;
  /** Told when a watch handler throws. */
  readonly onError: (error: unknown) => void;
}

/** The API with its life: `start` rebuilds allocations from the store and begins to forget old Events. */
export interface Registry extends RequestApi {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Makes the API. */
export function createClusterApi(options: RegistryOptions): Registry {
  return new StoreRegistry(options);
}

interface Kind {
  readonly names: ResourceNames;
  readonly strategy: Strategy<KubeObject>;
}

/** Namespaces that a cluster cannot be without. */
const permanentNamespaces = new Set(["default", "kube-system", "kube-public"]);

/** Resources whose update must name the version it is based on, because they are used as locks. */
const versionRequired = new Set<ResourceName>(["leases"]);

class StoreRegistry implements Registry {
  readonly name = "cluster API";
  readonly #store: ObjectStore;
  readonly #kinds: ReadonlyMap<ResourceName, Kind>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #hub: WatchHub;
  readonly #recorder: EventRecorder;
  readonly #onError: (error: unknown) => void;

  constructor({ store, resources, strategies, clock, random, onError }: RegistryOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
    this.#onError = onError;
    this.#kinds = new Map(
      resources.map((names) => [
        names.resource,
        // Each strategy is only ever given objects of its own resource.
        { names, strategy: strategies[names.resource] },
      ]),
    );
    this.#hub = new WatchHub({ onError });
    this.#recorder = new EventRecorder({ api: this, clock, onError });
  }

  async start(): Promise<void> {
    this.#hub.begin(this.#store.revision);
    for (const [resource, { strategy }] of this.#kinds) strategy.restore?.(this.#store.list(resource));
    this.#recorder.start();
  }

  async stop(): Promise<void> {
    this.#recorder.stop();
  }

  get revision(): string {
    return String(this.#store.revision);
  }

  get<R extends ResourceName>(resource: R, namespace: string | undefined, name: string): ObjectOf<R> {
    const found = this.find(resource, namespace, name);
    if (!found) throw notFound(this.#about(resource, name));
    return found;
  }

  find<R extends ResourceName>(resource: R, namespace: string | undefined, name: string): ObjectOf<R> | undefined {
    return this.#store.find(resource, namespace ?? "", name) as ObjectOf<R> | undefined;
  }

  list<R extends ResourceName>(
    resource: R,
    selection: Selection = {},
  ): { items: readonly ObjectOf<R>[]; resourceVersion: string } {
    const items = this.#select(resource, selection) as readonly ObjectOf<R>[];
    return { items, resourceVersion: this.revision };
  }

  page(resource: ResourceName, selection: Selection, { limit = 0, continue: token }: PageOptions): Page {
    const position = token ? decodeToken(token) : undefined;
    const resourceVersion = position?.revision ?? this.revision;
    // A later page shows the present; the first page's version makes the watch that follows replay what lies between.
    if (position) this.#hub.after(resource, Number(position.revision));
    const all = this.#select(resource, selection);
    const rest = position ? after(all, position) : all;
    if (limit <= 0 || rest.length <= limit) return { items: rest, resourceVersion };
    const items = rest.slice(0, limit);
    const { namespace = "", name = "" } = items.at(-1)?.metadata ?? {};
    const next = encodeToken({ revision: resourceVersion, namespace, name });
    return { items, resourceVersion, continue: next, remainingItemCount: rest.length - limit };
  }

  changedSince(resource: ResourceName, revision: string): boolean {
    return this.#hub.after(resource, readRevision(revision)).length > 0;
  }

  create<R extends ResourceName>(resource: R, object: ObjectOf<R>): ObjectOf<R> {
    return this.createWith(resource, object, {}) as ObjectOf<R>;
  }

  createWith(resource: ResourceName, given: KubeObject, { dryRun = false, owners }: WriteOptions): KubeObject {
    const { strategy } = this.#kind(resource);
    const object = this.#typed(resource, copyJson(given));
    const metadata = object.metadata ?? {};
    if (metadata.resourceVersion) throw badRequest("resourceVersion should not be set on objects to be created");
    const namespace = this.#namespaceFor(resource, metadata.namespace);
    const name = metadata.name || this.#freeName(resource, namespace, metadata.generateName);
    const about = this.#about(resource, name);
    if (!name) {
      const message = "Required value: name or generateName is required";
      throw invalid(about, [{ reason: "FieldValueRequired", field: "metadata.name", message }]);
    }
    if (namespace !== undefined) this.#requireActive(namespace, about);
    if (this.find(resource, namespace, name)) throw alreadyExists(about);
    object.metadata = newMetadata(metadata, name, namespace, this.#clock.now());
    if (!owners) delete object.metadata.managedFields;
    strategy.default(object);
    let final = object;
    const stored = this.#guarded(strategy, object, undefined, () => {
      strategy.prepareCreate?.(object);
      this.#refuse(about, strategy.validateCreate(object));
      final = owners?.(undefined, object) ?? object;
      return dryRun ? undefined : this.#commit([{ op: "put", resource, object: final }], strategy);
    });
    return stored ?? final;
  }

  update<R extends ResourceName>(resource: R, object: ObjectOf<R>): ObjectOf<R> {
    return this.replaceWith(resource, object, {}) as ObjectOf<R>;
  }

  updateStatus<R extends ResourceName>(resource: R, object: ObjectOf<R>): ObjectOf<R> {
    return this.replaceWith(resource, object, { status: true }) as ObjectOf<R>;
  }

  replaceWith(resource: ResourceName, given: KubeObject, options: WriteOptions): KubeObject {
    const { metadata = {} } = given;
    const namespace = this.#namespaceFor(resource, metadata.namespace);
    if (!metadata.name) throw badRequest("name must be provided");
    const stored = this.get(resource, namespace, metadata.name);
    return this.#replace(resource, stored, copyJson(given), options);
  }

  patchWith(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    change: (current: KubeObject) => KubeObject,
    options: WriteOptions,
  ): KubeObject {
    const stored = this.get(resource, namespace, name);
    const changed = copyJson(change(copyJson<KubeObject>(stored)));
    const metadata = changed.metadata ?? {};
    if ((metadata.name ?? name) !== name || (metadata.namespace ?? namespace) !== namespace) {
      throw badRequest("a patch cannot change the name or the namespace of an object");
    }
    return this.#replace(resource, stored, changed, options);
  }

  modify<R extends ResourceName>(
    resource: R,
    namespace: string | undefined,
    name: string,
    change: (object: ObjectOf<R>) => ObjectOf<R> | undefined,
    part: "spec" | "status" = "spec",
  ): ObjectOf<R> | undefined {
    for (let attempt = 1; ; attempt++) {
      const stored = this.find(resource, namespace, name);
      if (!stored) return undefined;
      const changed = change(copyJson(stored));
      if (!changed) return stored;
      try {
        return this.replaceWith(resource, changed, { status: part === "status" }) as ObjectOf<R>;
      } catch (error) {
        // Only a change that wrote to the same object on the side can end up here.
        if (!(error instanceof ApiError) || error.code !== "Conflict" || attempt === modifyTries) throw error;
      }
    }
  }

  delete(resource: ResourceName, namespace: string | undefined, name: string, options: DeleteOptions = {}): void {
    this.deleteWith(resource, namespace, name, options);
  }

  deleteWith(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions & { readonly dryRun?: boolean },
  ): { readonly object: KubeObject; readonly gone: boolean } {
    const stored: KubeObject = this.get(resource, namespace, name);
    const { strategy } = this.#kind(resource);
    const about = this.#about(resource, name);
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

  deleteCollection(
    resource: ResourceName,
    selection: Selection,
    options: DeleteOptions & { readonly dryRun?: boolean },
  ): KubeObject[] {
    const chosen = [...this.#select(resource, selection)];
    return chosen.flatMap((object) => {
      const { namespace, name = "" } = object.metadata ?? {};
      // A handler of the watch may have deleted one of the others meanwhile.
      return this.find(resource, namespace, name) ? [this.deleteWith(resource, namespace, name, options).object] : [];
    });
  }

  watch<R extends ResourceName>(
    resource: R,
    selection: Selection,
    handler: (event: WatchEvent<ObjectOf<R>>) => void,
  ): () => void {
    return this.watchFrom(resource, selection, { from: "state" }, handler as (event: WatchEvent<KubeObject>) => void);
  }

  watchFrom(
    resource: ResourceName,
    selection: Selection,
    start: WatchStart,
    handler: (event: WatchEvent<KubeObject>) => void,
  ): () => void {
    const matches = this.#matcher(resource, selection);
    const missed: WatchEvent<KubeObject>[] = [];
    if (start.from === "state") {
      for (const object of this.#select(resource, selection)) missed.push({ type: "ADDED", object });
    } else if (start.from === "revision") {
      for (const event of this.#hub.after(resource, readRevision(start.revision))) {
        const seen = eventAsSeen(event, matches);
        if (seen) missed.push(seen);
      }
    }
    // A write made by the handler meanwhile must come after what it has not been told yet.
    const later: WatchEvent<KubeObject>[] = [];
    let caughtUp = false;
    const end = this.#hub.watch(resource, matches, (event) => {
      if (caughtUp) handler(event);
      else later.push(event);
    });
    try {
      for (const event of missed) handler(event);
      for (let event = later.shift(); event; event = later.shift()) handler(event);
    } catch (error) {
      end();
      throw error;
    }
    caughtUp = true;
    return end;
  }

  recordEvent(about: KubeObject, note: EventNote): void {
    this.#recorder.record(about, note);
  }

  #replace(resource: ResourceName, stored: KubeObject, given: KubeObject, options: WriteOptions): KubeObject {
    const { strategy } = this.#kind(resource);
    const metadata = stored.metadata ?? {};
    const about = this.#about(resource, metadata.name ?? "");
    this.#checkVersion(resource, about, given, stored);
    const object = this.#typed(resource, options.status ? withStatus(copyJson(stored), given) : given);
    object.metadata = keptMetadata(object.metadata ?? {}, metadata);
    const { managedFields } = (options.owners ? given : stored).metadata ?? {};
    if (managedFields) object.metadata.managedFields = copyJson(managedFields);
    else delete object.metadata.managedFields;
    if (options.status) return this.#replaceStatus(resource, about, object, stored, options);
    strategy.default(object);
    let final = object;
    const written = this.#guarded(strategy, object, stored, () => {
      strategy.prepareUpdate?.(object, stored);
      this.#refuse(about, [...strategy.validateUpdate(object, stored), ...lateFinalizers(object, stored)]);
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
    const { strategy } = this.#kind(resource);
    this.#refuse(about, strategy.validateStatus?.(object, stored) ?? []);
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
    this.#notify(() => this.#kind(resource).strategy.deleted?.(stored));
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

  #select(resource: ResourceName, selection: Selection): readonly KubeObject[] {
    const { namespace, labelSelector, fieldSelector } = selection;
    const objects = this.#store.list(resource, namespace);
    if (!labelSelector && !fieldSelector) return objects;
    return objects.filter(this.#matcher(resource, selection));
  }

  #matcher(resource: ResourceName, selection: Selection): (object: KubeObject) => boolean {
    return objectMatcher(selection, this.#kind(resource).strategy, this.#store.list(resource)[0]);
  }

  #kind(resource: ResourceName): Kind {
    const kind = this.#kinds.get(resource);
    if (!kind) throw new ApiError(404, "NotFound", "the server could not find the requested resource");
    return kind;
  }

  #about(resource: ResourceName, name: string): ObjectReference {
    const { names } = this.#kind(resource);
    return { resource, group: names.group, kind: names.kind, name };
  }

  #typed(resource: ResourceName, object: KubeObject): KubeObject {
    const { names } = this.#kind(resource);
    const { apiVersion: _version, kind: _kind, ...rest } = object;
    return {
      apiVersion: names.group === "" ? names.version : `${names.group}/${names.version}`,
      kind: names.kind,
      ...rest,
    };
  }

  #namespaceFor(resource: ResourceName, namespace: string | undefined): string | undefined {
    if (!this.#kind(resource).names.namespaced) return undefined;
    if (!namespace) throw badRequest(`an object of ${resource} needs a namespace`);
    return namespace;
  }

  #requireActive(name: string, about: ObjectReference): void {
    const namespace: Namespace | undefined = this.find("namespaces", undefined, name);
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
      if (attempt === generateNameTries || !this.find(resource, namespace, name)) return name;
    }
  }

  #refuse(about: ObjectReference, causes: readonly FieldCause[]): void {
    if (causes.length > 0) throw invalid(about, causes);
  }
}

function withStatus(stored: KubeObject, given: KubeObject): KubeObject {
  const { status } = given as { status?: unknown };
  return { ...stored, ...(status === undefined ? {} : { status }) };
}

function finalizerFor(policy: DeleteOptions["propagationPolicy"]): string | undefined {
  if (policy === "Foreground") return "foregroundDeletion";
  return policy === "Orphan" ? "orphan" : undefined;
}

/** A resourceVersion as a number; throws BadRequest. */
export function readRevision(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw badRequest(`invalid resource version ${JSON.stringify(text)}`);
}
