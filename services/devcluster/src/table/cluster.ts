/** The tables of nodes, namespaces, events and leases: what the cluster says about itself. */
import type { Event, Lease, Namespace, Node } from "@fairlead/kube/objects";
import { since } from "./age.ts";
import { ageColumn, integer, nameColumn, NONE, text, UNKNOWN, wide } from "./columns.ts";
import type { ResourceTable } from "./columns.ts";

const ROLE_PREFIX = "node-role.kubernetes.io/";
const ROLE_LABEL = "kubernetes.io/role";

export const nodeTable: ResourceTable<Node> = {
  columns: [
    nameColumn,
    text("Status", "Whether the node is ready, and whether it takes new pods."),
    text("Roles", "Roles that its labels give it."),
    ageColumn,
    text("Version", "Version of its node agent."),
    wide(text("Internal-IP", "Address inside the cluster's network.")),
    wide(text("External-IP", "Address outside of it.")),
    wide(text("OS-Image", "Operating system.")),
    wide(text("Kernel-Version", "Kernel.")),
    wide(text("Container-Runtime", "What runs the containers.")),
  ],
  cells: ({ metadata, spec, status }, now) => [
    metadata?.name ?? "",
    nodeStatus(status?.conditions, spec?.unschedulable === true),
    roles(metadata?.labels ?? {}),
    since(metadata?.creationTimestamp, now),
    status?.nodeInfo?.kubeletVersion ?? "",
    addressOf(status, "InternalIP"),
    addressOf(status, "ExternalIP"),
    status?.nodeInfo?.osImage || UNKNOWN,
    status?.nodeInfo?.kernelVersion || UNKNOWN,
    status?.nodeInfo?.containerRuntimeVersion || UNKNOWN,
  ],
};

export const namespaceTable: ResourceTable<Namespace> = {
  columns: [nameColumn, text("Status", "Active, or Terminating while its objects are removed."), ageColumn],
  cells: ({ metadata, status }, now) => [
    metadata?.name ?? "",
    status?.phase ?? "",
    since(metadata?.creationTimestamp, now),
  ],
};

export const leaseTable: ResourceTable<Lease> = {
  columns: [nameColumn, text("Holder", "Who holds the lease."), ageColumn],
  cells: ({ metadata, spec }, now) => [
    metadata?.name ?? "",
    spec?.holderIdentity ?? "",
    since(metadata?.creationTimestamp, now),
  ],
};

export const eventTable: ResourceTable<Event> = {
  columns: [
    text("Last Seen", "Time since it last happened."),
    text("Type", "Normal or Warning."),
    text("Reason", "What happened, in one word for machines."),
    text("Object", "What it happened to."),
    wide(text("Subobject", "The part of the object it happened to.")),
    wide(text("Source", "Component that reported it, and its node.")),
    text("Message", "What happened, for people."),
    wide(text("First Seen", "Time since it first happened.")),
    wide(integer("Count", "How often it happened.")),
    wide(nameColumn),
  ],
  cells: (event, now) => {
    const { metadata, involvedObject, series, source } = event;
    const first = event.firstTimestamp ?? event.eventTime;
    const kind = (involvedObject.kind ?? "").toLowerCase();
    return [
      since(series?.lastObservedTime ?? event.lastTimestamp ?? first, now),
      event.type ?? "",
      event.reason ?? "",
      involvedObject.name ? `${kind}/${involvedObject.name}` : kind,
      involvedObject.fieldPath ?? "",
      [source?.component || event.reportingComponent, source?.host || event.reportingInstance]
        .filter(Boolean)
        .join(", "),
      (event.message ?? "").trim(),
      since(first, now),
      series?.count ?? (event.count || 1),
      metadata.name ?? "",
    ];
  },
};

function nodeStatus(conditions: NonNullable<Node["status"]>["conditions"], unschedulable: boolean): string {
  const ready = conditions?.find(({ type }) => type === "Ready");
  const status = ready ? (ready.status === "True" ? "Ready" : "NotReady") : "Unknown";
  return unschedulable ? `${status},SchedulingDisabled` : status;
}

function roles(labels: Readonly<Record<string, string>>): string {
  const names = Object.entries(labels).flatMap(([key, value]) => {
    if (key.startsWith(ROLE_PREFIX)) return key.slice(ROLE_PREFIX.length) || [];
    return key === ROLE_LABEL && value ? value : [];
  });
  return [...new Set(names)].toSorted().join(",") || NONE;
}

function addressOf(status: Node["status"], type: string): string {
  return status?.addresses?.find((address) => address.type === type)?.address ?? NONE;
}
