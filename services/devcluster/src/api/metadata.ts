/** The part of every object that the API itself looks after: names, ids, times, labels, finalizers. */
import { randomUUID } from "node:crypto";
import type { KubeObject, ObjectMeta } from "@fairlead/kube/objects";
import type { Random } from "@fairlead/types";
import type { FieldCause } from "./errors.ts";

// As Kubernetes: no vowels and nothing that looks like another character, so that no word comes out.
const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789";
const suffixLength = 5;
const longestGeneratedBase = 63 - suffixLength;

/** An RFC 3339 time in whole seconds, as metadata.creationTimestamp is written. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** A name from a prefix and five random characters, 63 characters at most. */
export function generatedName(prefix: string, random: Random): string {
  let name = prefix.slice(0, longestGeneratedBase);
  for (let count = 0; count < suffixLength; count++) {
    name += suffixAlphabet[Math.floor(random() * suffixAlphabet.length)] ?? "x";
  }
  return name;
}

/** Metadata for an object about to be created: what the server decides is set, what it ignores is dropped. */
export function newMetadata(given: ObjectMeta, name: string, namespace: string | undefined, now: number): ObjectMeta {
  const { selfLink: _s, resourceVersion: _r, deletionTimestamp: _d, ...kept } = given;
  const { deletionGracePeriodSeconds: _g, generation: _v, namespace: _n, ...rest } = kept;
  return {
    ...rest,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    uid: randomUUID(),
    creationTimestamp: timestamp(now),
  };
}

/** Metadata for an object about to be replaced: what no client may change comes from the stored one. */
export function keptMetadata(given: ObjectMeta, stored: ObjectMeta): ObjectMeta {
  const { selfLink: _s, ...rest } = given;
  const next: ObjectMeta = { ...rest };
  for (const field of systemFields) {
    if (stored[field] === undefined) delete next[field];
    else Object.assign(next, { [field]: stored[field] });
  }
  return next;
}

const systemFields = [
  "name",
  "namespace",
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "resourceVersion",
  "generateName",
  "generation",
] as const satisfies readonly (keyof ObjectMeta)[];

/** Finalizers that an update adds to an object on its way out: too late, and refused. The other rules are the strategies'. */
export function lateFinalizers(object: KubeObject, old: KubeObject): FieldCause[] {
  if (old.metadata?.deletionTimestamp === undefined) return [];
  const added = object.metadata?.finalizers?.filter((one) => !old.metadata?.finalizers?.includes(one)) ?? [];
  if (added.length === 0) return [];
  const message = `Forbidden: no new finalizers can be added while the object is being deleted, found ${added.join(", ")}`;
  return [{ reason: "FieldValueForbidden", field: "metadata.finalizers", message }];
}
