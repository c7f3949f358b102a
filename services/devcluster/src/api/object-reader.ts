/** Reading: objects, lists, pages, watches. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { ObjectStore } from "../store/object-store.ts";
import type { Selection, WatchEvent } from "./cluster-api.ts";
import { badRequest, notFound } from "./errors.ts";
import type { Kinds } from "./kinds.ts";
import { after, decodeToken, encodeToken } from "./pages.ts";
import type { Page, PageOptions, WatchStart } from "./request-api.ts";
import type { ResourceName } from "./resources.ts";
import { objectMatcher } from "./selection.ts";
import { eventAsSeen, type WatchHub } from "./watch-hub.ts";

/** See the module; each function is that of the API of the same name. */
export class ObjectReader {
  readonly #store: ObjectStore;
  readonly #kinds: Kinds;
  readonly #hub: WatchHub;

  constructor(options: { store: ObjectStore; kinds: Kinds; hub: WatchHub }) {
    this.#store = options.store;
    this.#kinds = options.kinds;
    this.#hub = options.hub;
  }

  get revision(): string {
    return String(this.#store.revision);
  }

  find(resource: ResourceName, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#store.find(resource, namespace ?? "", name);
  }

  get(resource: ResourceName, namespace: string | undefined, name: string): KubeObject {
    const found = this.find(resource, namespace, name);
    if (!found) throw notFound(this.#kinds.about(resource, name));
    return found;
  }

  list(resource: ResourceName, selection: Selection): readonly KubeObject[] {
    const { namespace, labelSelector, fieldSelector } = selection;
    const objects = this.#store.list(resource, namespace);
    if (!labelSelector && !fieldSelector) return objects;
    return objects.filter(this.#matcher(resource, selection));
  }

  page(resource: ResourceName, selection: Selection, { limit = 0, continue: token }: PageOptions): Page {
    const position = token ? decodeToken(token) : undefined;
    const resourceVersion = position?.revision ?? this.revision;
    // A later page shows the present; the first page's version makes the watch that follows replay what lies between.
    if (position) this.#hub.after(resource, Number(position.revision));
    const all = this.list(resource, selection);
    const rest = position ? after(all, position) : all;
    if (limit <= 0 || rest.length <= limit) return { items: rest, resourceVersion };
    const items = rest.slice(0, limit);
    const { namespace = "", name = "" } = items.at(-1)?.metadata ?? {};
    const next = encodeToken({ revision: resourceVersion, namespace, name });
    return { items, resourceVersion, continue: next, remainingItemCount: rest.length - limit };
  }

  /** Whether anything happened to the resource after the revision; throws where that is not known. */
  changedSince(resource: ResourceName, revision: string): boolean {
    return this.#hub.after(resource, readRevision(revision)).length > 0;
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
      for (const object of this.list(resource, selection)) missed.push({ type: "ADDED", object });
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

  #matcher(resource: ResourceName, selection: Selection): (object: KubeObject) => boolean {
    return objectMatcher(selection, this.#kinds.of(resource).strategy, this.#store.list(resource)[0]);
  }
}

/** A resourceVersion as a number; throws BadRequest. */
export function readRevision(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw badRequest(`invalid resource version ${JSON.stringify(text)}`);
}
