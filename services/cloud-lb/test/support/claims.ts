/** Claims and pools for tests of the planner. */
import type { IpAddress } from "@fairlead/types";
import type { Claim, SharingTerms } from "../../src/providers/pool/claim.ts";
import { readPools } from "../../src/providers/pool/pool.ts";
import type { Pool } from "../../src/providers/pool/pool.ts";

/** A claim of a Service `default/<id>`, in order of age by `n`. */
export function claim(id: string, n: number, more: Partial<Claim> = {}): Claim {
  return {
    id,
    title: `default/${id}`,
    since: `2026-01-01T00:00:${String(n).padStart(2, "0")}Z`,
    namespace: "default",
    namespaceLabels: {},
    labels: {},
    families: ["IPv4"],
    allFamilies: false,
    requested: [],
    pool: undefined,
    sharing: sharing(""),
    held: [],
    ...more,
  };
}

export function sharing(key: string, more: Partial<SharingTerms> = {}): SharingTerms {
  return { key, ports: ["TCP/80"], clusterPolicy: true, backends: "", ...more };
}

export function addresses(...texts: string[]): IpAddress[] {
  return texts as IpAddress[];
}

/** Pools from the lines of a pool file, each `name addresses`, and settings as YAML flow. */
export function pools(...entries: readonly string[]): readonly Pool[] {
  return readPools(`pools:\n${entries.map((entry) => `- {${entry}}\n`).join("")}`);
}
