/**
 * Fits endpoints into slices with as few writes as possible, and never moves one that is where it may stay. Pure. The packing
 * follows the published behaviour of Kubernetes' own controller:
 *
 * 1. Each existing slice loses the endpoints that are not wanted and has the others brought up to date.
 * 2. What is left over fills the slices that are written anyway, fullest first.
 * 3. A rest smaller than a slice goes into the one unchanged slice that ends closest to full; else new slices are made.
 *
 * Slices are not merged when they run empty in part: a rewrite of all would cost more than the gaps.
 */
import type { ApiEndpoint } from "./endpoint-groups.ts";

/** A slice, reduced to what packing looks at. */
export interface PackedSlice<S> {
  readonly slice: S;
  readonly endpoints: readonly ApiEndpoint[];
  /** It is to be written in any case, so it may as well be filled. */
  readonly rewrite?: boolean;
}

/** What to do with the slices of one group. */
export interface Packing<S> {
  readonly create: readonly (readonly ApiEndpoint[])[];
  readonly update: readonly PackedSlice<S>[];
  readonly remove: readonly S[];
  readonly keep: readonly S[];
}

/** Packs the wanted endpoints of one group into its existing slices; see the module. `most` endpoints fit one slice. */
export function packSlices<S>(options: {
  readonly existing: readonly PackedSlice<S>[];
  readonly wanted: readonly ApiEndpoint[];
  readonly most: number;
}): Packing<S> {
  const { existing, wanted, most } = options;
  const missing = new Map(wanted.map((endpoint) => [endpointKey(endpoint), endpoint]));
  const changed: { slice: S; endpoints: ApiEndpoint[] }[] = [];
  const unchanged: { slice: S; endpoints: ApiEndpoint[] }[] = [];
  const remove: S[] = [];
  for (const { slice, endpoints, rewrite = false } of existing) {
    const kept: ApiEndpoint[] = [];
    let differs = rewrite;
    for (const endpoint of endpoints) {
      const key = endpointKey(endpoint);
      const now = missing.get(key);
      // Wanted once: an endpoint that stands in two slices for a moment stays in the first. What is beyond the bound moves on.
      if (now === undefined || kept.length === most) differs = true;
      else {
        missing.delete(key);
        differs ||= !sameEndpoint(endpoint, now);
        kept.push(now);
      }
    }
    if (kept.length === 0) remove.push(slice);
    else (differs ? changed : unchanged).push({ slice, endpoints: kept });
  }
  const rest = [...missing.values()];
  changed.sort((a, b) => b.endpoints.length - a.endpoints.length);
  for (const { endpoints } of changed) endpoints.push(...rest.splice(0, Math.max(0, most - endpoints.length)));

  const create: ApiEndpoint[][] = [];
  while (rest.length > 0) {
    const home =
      rest.length < most
        ? unchanged
            .filter(({ endpoints }) => endpoints.length + rest.length <= most)
            .sort((a, b) => b.endpoints.length - a.endpoints.length)[0]
        : undefined;
    if (home === undefined) create.push(rest.splice(0, most));
    else {
      unchanged.splice(unchanged.indexOf(home), 1);
      changed.push({ slice: home.slice, endpoints: [...home.endpoints, ...rest.splice(0)] });
    }
  }
  // A slice that would go while another is made is rewritten instead: one write for two.
  while (create.length > 0 && remove.length > 0) {
    const slice = remove.shift() as S;
    changed.push({ slice, endpoints: create.shift() ?? [] });
  }
  return { create, update: changed, remove, keep: unchanged.map(({ slice }) => slice) };
}

/** Which endpoint it is, whatever its condition. */
export function endpointKey(endpoint: ApiEndpoint): string {
  const { addresses, hostname, targetRef } = endpoint;
  return JSON.stringify([addresses, hostname ?? "", targetRef?.kind, targetRef?.namespace, targetRef?.name]);
}

/** Whether two endpoints with the same key say the same. */
export function sameEndpoint(a: ApiEndpoint, b: ApiEndpoint): boolean {
  const content = ({ conditions, nodeName, zone, hints, targetRef }: ApiEndpoint): string =>
    JSON.stringify([
      conditions?.ready,
      conditions?.serving,
      conditions?.terminating,
      nodeName,
      zone,
      hints?.forZones,
      hints?.forNodes,
      targetRef?.uid,
    ]);
  return content(a) === content(b);
}
