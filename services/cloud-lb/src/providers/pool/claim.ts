/** What one Service wants of the pools, read from its spec, annotations and status. */
import type { Service } from "@fairlead/kube/objects";
import { familyOf, InvalidInputError, ipAddress, IpFamily } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import type { Labels } from "./label-selector.ts";
import type { Applicant } from "./pool.ts";

/** Ours first, then MetalLB's, then its old one: the first that is there counts. */
const prefixes = ["fairlead.dev/", "metallb.io/", "metallb.universe.tf/"] as const;
/** Addresses that a Service may ask for: one a family. */
const maxRequested = 2;

/** Under which conditions a Service shares an address. */
export interface SharingTerms {
  /** Empty: with nobody. */
  readonly key: string;
  /** `TCP/80`: what it occupies of the address. */
  readonly ports: readonly string[];
  /** Traffic may arrive anywhere; else only where its pods are. */
  readonly clusterPolicy: boolean;
  /** Which pods those are, as text; equal text is equal pods. Empty where nobody can tell. */
  readonly backends: string;
}

/** See the module. */
export interface Claim extends Applicant {
  /** uid of the Service: a Service of the same name made anew is another one. */
  readonly id: string;
  /** `namespace/name`, for messages. */
  readonly title: string;
  /** When it was made, as the API writes it; who came first wins. */
  readonly since: string;
  readonly families: readonly IpFamily[];
  /** Each family is needed, not only one of them. */
  readonly allFamilies: boolean;
  /** Addresses asked for by name; empty: any. */
  readonly requested: readonly IpAddress[];
  /** Pool asked for by name. */
  readonly pool: string | undefined;
  readonly sharing: SharingTerms;
  /** What its status says it has. */
  readonly held: readonly IpAddress[];
  /** What is wrong with its request: it cannot be meant, so nothing is given. */
  readonly fault?: string;
}

/** Reads a Service. Never throws: a request that cannot be read is a fault of the claim, which keeps what it holds. */
export function claimOf(service: Service, namespaceLabels: Labels): Claim {
  const { metadata = {}, spec = {} } = service;
  const { namespace = "", name = "", annotations = {} } = metadata;
  const families = (spec.ipFamilies ?? [IpFamily.v4]).filter((family) => family === "IPv4" || family === "IPv6");
  return {
    id: metadata.uid ?? `${namespace}/${name}`,
    title: `${namespace}/${name}`,
    since: metadata.creationTimestamp ?? "",
    namespace,
    namespaceLabels,
    labels: metadata.labels ?? {},
    families,
    allFamilies: spec.ipFamilyPolicy === "RequireDualStack",
    pool: annotation(annotations, "address-pool"),
    sharing: sharingTerms(service),
    held: heldAddresses(service),
    ...request(spec.loadBalancerIP, annotations, families),
  };
}

/** The addresses in a Service's status; what is none is passed over. */
export function heldAddresses({ status }: Service): readonly IpAddress[] {
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => {
    try {
      return ip ? [ipAddress(ip)] : [];
    } catch {
      return [];
    }
  });
}

/** Under which conditions this Service shares its address. */
export function sharingTerms({ metadata = {}, spec = {} }: Service): SharingTerms {
  const selector = Object.entries(spec.selector ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    key: annotation(metadata.annotations ?? {}, "allow-shared-ip") ?? "",
    ports: (spec.ports ?? []).map(({ protocol = "TCP", port }) => `${protocol}/${port}`),
    clusterPolicy: spec.externalTrafficPolicy !== "Local",
    // A selector only selects within its namespace.
    backends: selector.length === 0 ? "" : JSON.stringify([metadata.namespace, selector]),
  };
}

/** Whether two Services occupy the same of an address, under the same conditions. */
export function sameTerms(a: SharingTerms, b: SharingTerms): boolean {
  const text = ({ key, ports, clusterPolicy, backends }: SharingTerms): string =>
    JSON.stringify([key, [...ports].sort(), clusterPolicy, backends]);
  return text(a) === text(b);
}

function request(...given: Parameters<typeof requestedAddresses>): {
  readonly requested: readonly IpAddress[];
  readonly fault?: string;
} {
  try {
    return { requested: requestedAddresses(...given) };
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return { requested: [], fault: error.message };
  }
}

function requestedAddresses(
  field: string | undefined,
  annotations: Labels,
  families: readonly IpFamily[],
): readonly IpAddress[] {
  const listed = annotation(annotations, "loadBalancerIPs");
  if (listed === undefined && !field) return [];
  if (listed !== undefined && field) {
    throw new InvalidInputError("annotation loadBalancerIPs", "may not be given together with spec.loadBalancerIP");
  }
  const where = field ? "spec.loadBalancerIP" : "annotation loadBalancerIPs";
  const texts = field ? [field] : (listed ?? "").split(",", maxRequested + 1);
  const addresses = texts.map((text) => ipAddress(text.trim(), where));
  const kinds = addresses.map((address) => familyOf(address));
  if (addresses.length > maxRequested || new Set(kinds).size < kinds.length) {
    throw new InvalidInputError(where, "may name one address of each family");
  }
  const foreign = kinds.find((kind) => !families.includes(kind));
  if (foreign !== undefined) throw new InvalidInputError(where, `the Service has no ${foreign} family`);
  return addresses;
}

function annotation(annotations: Labels, name: string): string | undefined {
  return prefixes.map((prefix) => annotations[`${prefix}${name}`]).find((value) => value !== undefined && value !== "");
}
