/** The tables of what pods are configured with. */
import type { ConfigMap, Secret, ServiceAccount } from "@fairlead/kube/objects";
import { since } from "./age.ts";
import { ageColumn, integer, nameColumn, text } from "./columns.ts";
import type { ResourceTable } from "./columns.ts";

export const configMapTable: ResourceTable<ConfigMap> = {
  columns: [nameColumn, integer("Data", "Number of entries."), ageColumn],
  cells: ({ metadata, data, binaryData }, now) => [
    metadata?.name ?? "",
    Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length,
    since(metadata?.creationTimestamp, now),
  ],
};

export const secretTable: ResourceTable<Secret> = {
  columns: [nameColumn, text("Type", "What the entries are for."), integer("Data", "Number of entries."), ageColumn],
  cells: ({ metadata, type, data }, now) => [
    metadata?.name ?? "",
    type ?? "",
    Object.keys(data ?? {}).length,
    since(metadata?.creationTimestamp, now),
  ],
};

export const serviceAccountTable: ResourceTable<ServiceAccount> = {
  columns: [nameColumn, integer("Secrets", "Number of secrets it names."), ageColumn],
  cells: ({ metadata, secrets }, now) => [
    metadata?.name ?? "",
    (secrets ?? []).length,
    since(metadata?.creationTimestamp, now),
  ],
};
