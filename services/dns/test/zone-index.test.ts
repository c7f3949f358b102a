import { seededRandom } from "@fairlead/testkit";
import { feedKeyOf, ipAddress } from "@fairlead/types";
import type { Change, FeedKey, FeedValue } from "@fairlead/types";
import { expect, it } from "vitest";
import type { AddressSet } from "../src/zone/address-set.ts";
import { addressTag, namespaceTag, serviceTag, ZoneIndex } from "../src/zone/zone-index.ts";
import type { AddressOwner } from "../src/zone/zone-index.ts";
import { asValue, endpoint, service, slice } from "./support/objects.ts";

const servers = [ipAddress("10.0.0.1")];
const addresses = Array.from({ length: 8 }, (_, index) => ipAddress(`10.0.0.${index}`));
const namesOf = ["a", "b", "c"];
const change = (key: FeedKey, value: FeedValue | undefined): Change => {
  const base = { v: 1, epoch: "e", seq: 1, key, at: 0 } as const;
  return value === undefined ? { ...base, op: "delete" } : { ...base, op: "put", value };
};
const text = ({ namespace, service: name, host = "" }: AddressOwner): string => `${host}.${name}.${namespace}`;

/** Everything that an index says. */
function said(index: ZoneIndex): Map<string, string> {
  const all = new Map<string, string>();
  for (const address of addresses) all.set(addressTag(address), index.ownersOf(address).map(text).toSorted().join(" "));
  for (const name of namesOf) all.set(serviceTag("default", name), records(index, name));
  all.set(namespaceTag("default"), String(index.hasNamespace("default")));
  all.set("apex", index.nameServers().map(text).toSorted().join(" "));
  return all;
}

/** One Service's records, whatever order they came in. */
function records(index: ZoneIndex, name: string): string {
  const found = index.service("default", name);
  if (found === undefined) return "none";
  const sorted = ({ v4, v6 }: AddressSet): readonly string[] => [...v4, ...v6].toSorted();
  const hosts = [...found.hosts].map(([host, set]) => `${host}=${sorted(set).join()}`).toSorted();
  return JSON.stringify([found.kind, found.externalName, sorted(found.own), hosts]);
}

it("kept up change by change an index says what one made at once does, and names every answer that no longer holds", () => {
  const random = seededRandom(5);
  const below = (most: number): number => Math.floor(random() * most);
  const index = new ZoneIndex({ podNames: false, servers });
  const state = new Map<FeedKey, FeedValue>();
  const someValue = (): FeedValue => {
    const name = namesOf[below(3)] ?? "a";
    const kind = below(10);
    if (kind === 0) return asValue.namespace("default");
    if (kind < 4) {
      const clusterIPs = addresses.filter(() => below(6) === 0).slice(0, 2);
      const kinds = [{ headless: true }, { clusterIPs }, { type: "ExternalName", externalName: "x.org" }] as const;
      return asValue.service(service(name, kinds[below(3)]));
    }
    const endpoints = addresses.flatMap((address) => {
      if (below(3) > 0) return [];
      // Sometimes one host name for several, and now and then an endpoint that is not ready.
      return [endpoint(address, { ready: below(5) > 0, ...(below(3) === 0 && { hostname: `h-${below(2)}` }) })];
    });
    return asValue.slice(slice(name, endpoints, [], { name: `${name}-${below(2)}` }));
  };
  let before = said(index);
  for (let round = 0; round < 3_000; round++) {
    const changes = Array.from({ length: 1 + below(3) }, () => {
      const value = someValue();
      const key = feedKeyOf(value);
      const gone = below(4) === 0;
      if (gone) state.delete(key);
      else state.set(key, value);
      return change(key, gone ? undefined : value);
    });
    const tags = index.apply({ changes });
    const fresh = new ZoneIndex({ podNames: false, servers });
    fresh.apply({ changes: [...state].map(([key, value]) => change(key, value)) });
    const now = said(index);
    expect(Object.fromEntries(now)).toEqual(Object.fromEntries(said(fresh)));
    for (const [tag, what] of now) if (what !== before.get(tag)) expect([...tags]).toContain(tag);
    before = now;
  }
});
