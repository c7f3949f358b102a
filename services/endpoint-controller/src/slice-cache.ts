/**
 * The EndpointSlices as we know them: what the informer saw, and what the API server has acknowledged of our own writes. An informer
 * lags behind; planning from its view alone would make a slice twice, or compare with what is no longer there.
 */
import type { EndpointSlice } from "@fairlead/kube";
import { serviceNameLabel } from "./plan/labels.ts";
import { versionOf } from "./resource-version.ts";

/** How many removed slices are remembered, so that a late event does not bring one back. */
export const maxTombstones = 10_000;

/** See the module. Slices are found by the Service they belong to. */
export class SliceCache {
  readonly #byUid = new Map<string, EndpointSlice>();
  readonly #byService = new Map<string, Map<string, EndpointSlice>>();
  readonly #tombstones = new Set<string>();

  /** The slices that carry this Service's name. */
  of(namespace: string, service: string): readonly EndpointSlice[] {
    return [...(this.#byService.get(`${namespace}/${service}`)?.values() ?? [])];
  }

  /** Takes a slice that the informer saw or that a write gave back; false where something newer is known. */
  put(slice: EndpointSlice): boolean {
    const uid = slice.metadata?.uid ?? "";
    if (this.#tombstones.has(uid)) return false;
    const known = this.#byUid.get(uid);
    if (known !== undefined && versionOf(known) >= versionOf(slice)) return false;
    this.#forget(uid);
    this.#byUid.set(uid, slice);
    const key = ownerKey(slice);
    const slices = this.#byService.get(key) ?? new Map<string, EndpointSlice>();
    this.#byService.set(key, slices.set(uid, slice));
    return true;
  }

  /** Takes a slice away for good: the informer saw it go, or a delete was acknowledged. */
  remove(slice: EndpointSlice): void {
    const uid = slice.metadata?.uid ?? "";
    this.#forget(uid);
    this.#tombstones.add(uid);
    if (this.#tombstones.size > maxTombstones) {
      const [oldest = ""] = this.#tombstones;
      this.#tombstones.delete(oldest);
    }
  }

  #forget(uid: string): void {
    const known = this.#byUid.get(uid);
    if (known === undefined) return;
    this.#byUid.delete(uid);
    const key = ownerKey(known);
    const slices = this.#byService.get(key);
    slices?.delete(uid);
    if (slices?.size === 0) this.#byService.delete(key);
  }
}

function ownerKey({ metadata }: EndpointSlice): string {
  return `${metadata?.namespace ?? ""}/${metadata?.labels?.[serviceNameLabel] ?? ""}`;
}
