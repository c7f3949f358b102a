/**
 * Which Service gets which address. Pure: a claim, the book and the pools in, a decision out. The rules are those that MetalLB documents
 * for IPAddressPools and address sharing; where it chooses at random, the lower name and the lower address are taken here.
 */
import { familyOf } from "@fairlead/types";
import type { IpAddress, IpFamily } from "@fairlead/types";
import { AddressBook } from "./address-book.ts";
import type { Holding } from "./address-book.ts";
import { isBuggy } from "./address-range.ts";
import type { Claim, SharingTerms } from "./claim.ts";
import { poolAdmits, poolContains } from "./pool.ts";
import type { Pool } from "./pool.ts";

/** What to do about a claim. */
export type Decision =
  /** It has what it wants. */
  | { readonly kind: "keep"; readonly holding: Holding }
  /** It gets this, instead of what it had, if anything. `reason` says why it loses something. */
  | { readonly kind: "assign"; readonly holding: Holding; readonly reason?: string }
  /** It gets nothing. What it has it keeps, unless it is withdrawn. */
  | {
      readonly kind: "refuse";
      readonly reason: string;
      readonly keeps: Holding | undefined;
      readonly withdrawn: boolean;
    };

/** Whether two Services may have one address: the same key, other ports, and the same pods where it matters. */
export function mayShare(a: SharingTerms, b: SharingTerms): boolean {
  if (a.key === "" || a.key !== b.key) return false;
  if (a.ports.some((port) => b.ports.includes(port))) return false;
  return (a.clusterPolicy && b.clusterPolicy) || (a.backends !== "" && a.backends === b.backends);
}

/** Decides one claim. What the claim says it holds counts unless the book says better. Changes nothing. */
export function decide(claim: Claim, book: AddressBook, pools: readonly Pool[]): Decision {
  const held = book.holding(claim.id)?.addresses ?? claim.held;
  const problem = whyNotHold(claim, held, book, pools);
  const kept = problem === undefined ? holdingOf(claim, held, pools) : undefined;
  const refuse = (reason: string): Decision => ({
    kind: "refuse",
    reason,
    keeps: kept,
    withdrawn: kept === undefined && held.length > 0,
  });
  if (claim.fault !== undefined) return refuse(claim.fault);
  const fitting = kept && isAskedFor(claim, kept) ? fitted(claim, kept, book, pools) : undefined;
  if (fitting && sameAddresses(fitting, kept)) return { kind: "keep", holding: fitting };
  if (fitting) {
    const lost = held.filter((address) => !fitting.addresses.includes(address));
    const reason = lost.length > 0 ? "the Service no longer has that family" : undefined;
    return { kind: "assign", holding: fitting, ...(reason === undefined ? {} : { reason }) };
  }
  const found = find(claim, book, pools);
  if (typeof found === "string") return refuse(found);
  const reason = held.length > 0 ? (problem ?? "another address or pool is asked for") : undefined;
  return { kind: "assign", holding: found, ...(reason === undefined ? {} : { reason }) };
}

/** The book that the Services' own status describes: of two that have one address without sharing it, the older one keeps it. */
export function restore(claims: readonly Claim[], pools: readonly Pool[]): AddressBook {
  const book = new AddressBook();
  for (const claim of byAge(claims)) {
    const holding = standing(claim, book, pools);
    if (holding) book.set(holding);
  }
  return book;
}

/** What a claim says that it holds, as a holding; undefined where that may not be. */
export function standing(claim: Claim, book: AddressBook, pools: readonly Pool[]): Holding | undefined {
  return whyNotHold(claim, claim.held, book, pools) === undefined ? holdingOf(claim, claim.held, pools) : undefined;
}

/** Carries a decision over into the book. */
export function enter(book: AddressBook, { id }: Claim, decision: Decision): void {
  const holding = decision.kind === "refuse" ? decision.keeps : decision.holding;
  if (holding) book.set(holding);
  else book.release(id);
}

/** The whole plan: what all claims end up with, the older ones first. */
export function plan(claims: readonly Claim[], pools: readonly Pool[]): Map<string, Decision> {
  const book = restore(claims, pools);
  return new Map(
    byAge(claims).map((claim) => {
      const decision = decide(claim, book, pools);
      enter(book, claim, decision);
      return [claim.id, decision];
    }),
  );
}

/** Holdings that new pools have no place for. */
export function stranded(book: AddressBook, pools: readonly Pool[]): readonly Holding[] {
  return book.holdings().filter(({ addresses }) => !poolOf(addresses, pools));
}

function byAge(claims: readonly Claim[]): readonly Claim[] {
  const age = ({ since, id }: Claim): string => `${since}\0${id}`;
  return [...claims].sort((a, b) => (age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : 0));
}

/** Why these addresses may not stay with the Service; undefined: they may. */
function whyNotHold(
  claim: Claim,
  held: readonly IpAddress[],
  book: AddressBook,
  pools: readonly Pool[],
): string | undefined {
  if (held.length === 0) return "it has none";
  if (!poolOf(held, pools)) return `no pool holds ${held.join(", ")}`;
  for (const address of held) {
    const other = book
      .holdersOf(address)
      .find((holder) => holder.id !== claim.id && !mayShare(holder.sharing, claim.sharing));
    if (other) return `${address} belongs to ${other.title}`;
  }
  return undefined;
}

/** The pool that gives all of these addresses. */
export function poolOf(addresses: readonly IpAddress[], pools: readonly Pool[]): Pool | undefined {
  return pools.find((pool) => holdsAll(pool, addresses));
}

function holdsAll(pool: Pool, addresses: readonly IpAddress[]): boolean {
  return addresses.every((address) => poolContains(pool, address));
}

function holdingOf(claim: Claim, addresses: readonly IpAddress[], pools: readonly Pool[]): Holding | undefined {
  const pool = poolOf(addresses, pools);
  return pool && { id: claim.id, title: claim.title, pool: pool.name, addresses, sharing: claim.sharing };
}

/** Whether a valid holding is of the pool and has the addresses that are asked for by name. */
function isAskedFor({ requested, pool }: Claim, { addresses, pool: from }: Holding): boolean {
  return (pool === undefined || pool === from) && requested.every((address) => addresses.includes(address));
}

/** A holding with the families that the Service has now: what fits stays, what is missing comes from the same pool. */
function fitted(claim: Claim, kept: Holding, book: AddressBook, pools: readonly Pool[]): Holding | undefined {
  const stays = kept.addresses.filter((address) => claim.families.includes(familyOf(address)));
  const pool = pools.find(({ name }) => name === kept.pool);
  const addresses = stays.length > 0 && pool ? complete(claim, stays, pool, book) : undefined;
  return addresses && { ...kept, addresses };
}

function sameAddresses(a: Holding, b: Holding | undefined): boolean {
  return a.addresses.length === b?.addresses.length && a.addresses.every((address) => b.addresses.includes(address));
}

/** A new holding, or why there is none. */
function find(claim: Claim, book: AddressBook, pools: readonly Pool[]): Holding | string {
  if (claim.pool !== undefined && !pools.some(({ name }) => name === claim.pool)) {
    return `there is no address pool named ${claim.pool}`;
  }
  if (claim.requested.length > 0) return findRequested(claim, book, pools);
  const candidates = candidatePools(claim, pools);
  if (candidates.length === 0) {
    return claim.pool === undefined
      ? "no address pool serves this Service"
      : `the address pool ${claim.pool} does not serve this Service`;
  }
  for (const pool of candidates) {
    const addresses = freeIn(pool, claim, book);
    if (addresses) return { id: claim.id, title: claim.title, pool: pool.name, addresses, sharing: claim.sharing };
  }
  const names = candidates.map(({ name }) => name).join(", ");
  return `no address of the Service's families is free in ${candidates.length === 1 ? "pool" : "pools"} ${names}`;
}

function findRequested(claim: Claim, book: AddressBook, pools: readonly Pool[]): Holding | string {
  const { requested } = claim;
  const asked = requested.join(", ");
  const pool = poolOf(requested, pools);
  if (!pool) return `no address pool holds ${asked}`;
  if (claim.pool !== undefined && pool.name !== claim.pool) return `${asked} is not in the address pool ${claim.pool}`;
  if (!poolAdmits(pool, claim))
    return `the address pool ${pool.name}, which holds ${asked}, does not serve this Service`;
  for (const address of requested) {
    const other = book
      .holdersOf(address)
      .find((holder) => holder.id !== claim.id && !mayShare(holder.sharing, claim.sharing));
    if (other) return `${address} is in use by ${other.title}, and they may not share it`;
  }
  const addresses = complete(claim, requested, pool, book);
  return addresses
    ? { id: claim.id, title: claim.title, pool: pool.name, addresses, sharing: claim.sharing }
    : `no address of every family is free in pool ${pool.name}`;
}

/** The addresses it asks for or has, with those of the families that are missing; undefined where it needs one that the pool lacks. */
function complete(
  claim: Claim,
  requested: readonly IpAddress[],
  pool: Pool,
  book: AddressBook,
): readonly IpAddress[] | undefined {
  const byFamily = claim.families.map(
    (family) => requested.find((address) => familyOf(address) === family) ?? firstFree(pool, family, claim, book),
  );
  if (claim.allFamilies && byFamily.includes(undefined)) return undefined;
  return byFamily.filter((address) => address !== undefined);
}

/** Pools in the order in which they are asked: the one named; else those that admit by rule, best priority first; else the open ones. */
function candidatePools(claim: Claim, pools: readonly Pool[]): readonly Pool[] {
  const admitting = pools.filter((pool) => poolAdmits(pool, claim));
  if (claim.pool !== undefined) return admitting.filter(({ name }) => name === claim.pool);
  const rank = ({ allocation }: Pool): number =>
    allocation === undefined ? Number.POSITIVE_INFINITY : allocation.priority || Number.MAX_SAFE_INTEGER;
  return admitting
    .filter(({ autoAssign }) => autoAssign)
    .sort((a, b) => {
      const [first, second] = [rank(a), rank(b)];
      if (first !== second) return first < second ? -1 : 1;
      return a.name < b.name ? -1 : 1;
    });
}

function freeIn(pool: Pool, claim: Claim, book: AddressBook): readonly IpAddress[] | undefined {
  const addresses = claim.families.map((family) => firstFree(pool, family, claim, book));
  if (claim.allFamilies && addresses.includes(undefined)) return undefined;
  const found = addresses.filter((address) => address !== undefined);
  return found.length > 0 ? found : undefined;
}

function firstFree(pool: Pool, family: IpFamily, claim: Claim, book: AddressBook): IpAddress | undefined {
  // An address that it may share comes before one of its own: that is what the key is for.
  if (claim.sharing.key !== "") {
    const shared = sharable(pool, family, claim, book);
    if (shared) return shared;
  }
  const isUsable = (address: IpAddress): boolean => !(pool.avoidBuggyIPs && isBuggy(address));
  // What it has to itself is as good as free, and stays.
  const own = book
    .holding(claim.id)
    ?.addresses.find(
      (address) => familyOf(address) === family && poolContains(pool, address) && book.holdersOf(address).length === 1,
    );
  if (own) return own;
  for (const range of pool.ranges) {
    const address = range.family === family ? book.lowestFree(range, isUsable) : undefined;
    if (address) return address;
  }
  return undefined;
}

function sharable(pool: Pool, family: IpFamily, claim: Claim, book: AddressBook): IpAddress | undefined {
  for (const holding of book.holdings()) {
    if (holding.pool !== pool.name || holding.id === claim.id || holding.sharing.key !== claim.sharing.key) continue;
    const address = holding.addresses.find((one) => familyOf(one) === family);
    if (address === undefined) continue;
    const others = book.holdersOf(address).filter(({ id }) => id !== claim.id);
    if (others.every(({ sharing }) => mayShare(sharing, claim.sharing))) return address;
  }
  return undefined;
}
