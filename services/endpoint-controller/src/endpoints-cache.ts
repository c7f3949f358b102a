/**
 * What the API server has acknowledged of our own writes of Endpoints and no informer has shown yet. Planning from the informer's
 * view alone would make an object twice, or write over a version that is no longer there, whenever changes follow one another fast.
 */
import type { Endpoints } from "@fairlead/kube";
import { versionOf } from "./resource-version.ts";

/** See the module. An entry goes as soon as the informer has caught up with it. */
export class EndpointsCache {
  readonly #written = new Map<string, Endpoints>();
  /** Uids of objects that we deleted and that the informer still shows. */
  readonly #deleted = new Map<string, string>();

  /** The object as it is to our best knowledge, given what the informer shows. */
  newest(key: string, seen: Endpoints | undefined): Endpoints | undefined {
    const written = this.#written.get(key);
    if (written !== undefined) {
      if (seen === undefined || versionOf(seen) < versionOf(written)) return written;
      this.#written.delete(key);
    }
    if (seen !== undefined && seen.metadata?.uid === this.#deleted.get(key)) return undefined;
    this.#deleted.delete(key);
    return seen;
  }

  /** Whether what the informer shows is the last own write, or older. */
  isEcho(key: string, seen: Endpoints): boolean {
    const written = this.#written.get(key);
    return written !== undefined && versionOf(seen) <= versionOf(written);
  }

  /** A write was acknowledged with this object. */
  put(key: string, stored: Endpoints): void {
    this.#written.set(key, stored);
  }

  /** A delete was acknowledged, of the object with this uid. */
  deleted(key: string, uid: string): void {
    this.#written.delete(key);
    this.#deleted.set(key, uid);
  }

  /** The informer saw an object go, or a write failed: only the informer is to be believed. */
  forget(key: string): void {
    this.#written.delete(key);
    this.#deleted.delete(key);
  }

  get size(): number {
    return this.#written.size + this.#deleted.size;
  }
}
