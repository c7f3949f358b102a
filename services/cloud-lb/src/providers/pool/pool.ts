/** Address pools: their settings, read from YAML, and what they mean for a Service. */
import { InvalidInputError } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import { parseDocument } from "yaml";
import { addressRange, buggyIn, isBuggy, rangeContains, rangeSize, rangesOverlap } from "./address-range.ts";
import type { AddressRange } from "./address-range.ts";
import { labelSelector } from "./label-selector.ts";
import type { Labels, LabelSelector } from "./label-selector.ts";

/** Pools in a configuration. */
export const maxPools = 256;
/** Ranges in a pool. */
export const maxRangesPerPool = 256;
/** Largest pool file, in characters. */
export const maxPoolFileLength = 1024 * 1024;
/** YAML aliases followed in a pool file. */
const maxAliases = 100;
/** Name of the pool that a single range from the configuration makes. */
const soleName = "default";

/** Who may have an address of a pool without asking for the pool. */
export interface PoolAllocation {
  /** 1 is asked first; 0 (or none) last. */
  readonly priority: number;
  /** Names of namespaces, and selectors of their labels: either admits; neither given admits all. */
  readonly namespaces: ReadonlySet<string>;
  readonly namespaceSelectors: readonly LabelSelector[];
  /** Selectors of the Service's own labels, of which one must match; none given admits all. */
  readonly serviceSelectors: readonly LabelSelector[];
}

/** One pool. */
export interface Pool {
  readonly name: string;
  readonly ranges: readonly AddressRange[];
  /** Without it an address is only given to a Service that names the pool or the address. */
  readonly autoAssign: boolean;
  /** Leaves out addresses that end in .0 and .255. */
  readonly avoidBuggyIPs: boolean;
  /** Set: only Services that it admits get an address of the pool, and they are served from here first. */
  readonly allocation: PoolAllocation | undefined;
}

/** Whether the pool may give this address. */
export function poolContains(pool: Pool, address: IpAddress): boolean {
  return pool.ranges.some((range) => rangeContains(range, address)) && !(pool.avoidBuggyIPs && isBuggy(address));
}

/** How many addresses the pool may give. */
export function poolSize({ ranges, avoidBuggyIPs }: Pool): bigint {
  return ranges.reduce((sum, range) => sum + rangeSize(range) - (avoidBuggyIPs ? buggyIn(range) : 0n), 0n);
}

/** What of a Service decides whether a pool admits it. */
export interface Applicant {
  readonly namespace: string;
  readonly namespaceLabels: Labels;
  readonly labels: Labels;
}

/** Whether the pool serves this Service at all. */
export function poolAdmits({ allocation }: Pool, applicant: Applicant): boolean {
  if (allocation === undefined) return true;
  const { namespaces, namespaceSelectors, serviceSelectors } = allocation;
  const anyNamespace = namespaces.size === 0 && namespaceSelectors.length === 0;
  return (
    (anyNamespace ||
      namespaces.has(applicant.namespace) ||
      namespaceSelectors.some((matches) => matches(applicant.namespaceLabels))) &&
    (serviceSelectors.length === 0 || serviceSelectors.some((matches) => matches(applicant.labels)))
  );
}

/** A single pool of one range, for a machine that needs no more. It gives no .0 and .255. */
export function solePool(range: string): readonly Pool[] {
  const ranges = [addressRange(range, "poolRange")];
  return [{ name: soleName, ranges, autoAssign: true, avoidBuggyIPs: true, allocation: undefined }];
}

/**
 * Reads a pool file: `pools:` with a list of `{name, addresses, autoAssign, avoidBuggyIPs, serviceAllocation}`, the fields of MetalLB's
 * IPAddressPool. Throws InvalidInputError that names the field. Unknown fields, names given twice and ranges that overlap are refused.
 */
export function readPools(text: string): readonly Pool[] {
  if (text.length > maxPoolFileLength) {
    throw new InvalidInputError("pools", `the file is longer than ${maxPoolFileLength} characters`);
  }
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem) throw new InvalidInputError("pools", problem.message);
  const root = record(document.toJS({ maxAliasCount: maxAliases }), "", ["pools"]);
  const pools = list(root["pools"], "pools", maxPools).map((entry, index) => readPool(entry, `pools[${index}]`));
  if (pools.length === 0) throw new InvalidInputError("pools", "must name at least one pool");
  refuseOverlaps(pools);
  return pools;
}

function readPool(entry: unknown, field: string): Pool {
  const given = record(entry, field, ["name", "addresses", "autoAssign", "avoidBuggyIPs", "serviceAllocation"]);
  const { name, addresses, autoAssign, avoidBuggyIPs, serviceAllocation } = given;
  const ranges = list(addresses, `${field}.addresses`, maxRangesPerPool).map((range, index) =>
    addressRange(string(range, `${field}.addresses[${index}]`), `${field}.addresses[${index}]`),
  );
  if (ranges.length === 0) throw new InvalidInputError(`${field}.addresses`, "must hold at least one range");
  return {
    name: string(name, `${field}.name`),
    ranges,
    autoAssign: boolean(autoAssign, `${field}.autoAssign`, true),
    avoidBuggyIPs: boolean(avoidBuggyIPs, `${field}.avoidBuggyIPs`, false),
    allocation:
      serviceAllocation === undefined ? undefined : readAllocation(serviceAllocation, `${field}.serviceAllocation`),
  };
}

function readAllocation(entry: unknown, field: string): PoolAllocation {
  const given = record(entry, field, ["priority", "namespaces", "namespaceSelectors", "serviceSelectors"]);
  const priority = given["priority"] ?? 0;
  if (typeof priority !== "number" || !Number.isInteger(priority) || priority < 0) {
    throw new InvalidInputError(`${field}.priority`, "must be a whole number from 0");
  }
  const items = (key: string): readonly unknown[] => list(given[key] ?? [], `${field}.${key}`, maxRangesPerPool);
  const selectors = (key: string): readonly LabelSelector[] =>
    items(key).map((item, index) => labelSelector(item, `${field}.${key}[${index}]`));
  return {
    priority,
    namespaces: new Set(items("namespaces").map((item, index) => string(item, `${field}.namespaces[${index}]`))),
    namespaceSelectors: selectors("namespaceSelectors"),
    serviceSelectors: selectors("serviceSelectors"),
  };
}

function refuseOverlaps(pools: readonly Pool[]): void {
  const names = new Set<string>();
  const seen: { pool: string; range: AddressRange }[] = [];
  for (const { name, ranges } of pools) {
    if (names.has(name)) throw new InvalidInputError("pools", `two pools are named ${name}`);
    names.add(name);
    for (const range of ranges) {
      const other = seen.find((earlier) => rangesOverlap(earlier.range, range));
      if (other) throw new InvalidInputError("pools", `ranges overlap: ${other.pool} and ${name}`);
      seen.push({ pool: name, range });
    }
  }
}

function record(value: unknown, field: string, known: readonly string[]): Record<string, unknown> {
  const where = field === "" ? "pools" : field;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidInputError(where, "must be a mapping");
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new InvalidInputError(
      field === "" ? unknown : `${field}.${unknown}`,
      `is not known; known: ${known.join(", ")}`,
    );
  }
  return value as Record<string, unknown>;
}

function list(value: unknown, field: string, most: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new InvalidInputError(field, "must be a list");
  if (value.length > most) throw new InvalidInputError(field, `must hold at most ${most} entries`);
  return value;
}

function string(value: unknown, field: string): string {
  if (typeof value !== "string" || value === "") throw new InvalidInputError(field, "must be text");
  return value;
}

function boolean(value: unknown, field: string, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean") throw new InvalidInputError(field, "must be true or false");
  return value;
}
