/** The resolv.conf of a pod, by its dnsPolicy and dnsConfig, as a kubelet writes it. */
import { isIP } from "node:net";
import type { Pod } from "@fairlead/kube/objects";

/** Name servers of a pod at most: resolvers read no more. */
export const MAX_NAMESERVERS = 3;

/** Search domains of a pod at most, and characters of all of them with the blanks between. */
export const MAX_SEARCH_DOMAINS = 32;
export const MAX_SEARCH_LENGTH = 2_048;

/** Longest search domain that can be part of a name, in characters. */
const MAX_DOMAIN_LENGTH = 253;

/** What the cluster and the machine say. */
export interface DnsSurroundings {
  /** Addresses of the cluster's name server; empty if there is none. */
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** Content of the machine's resolv.conf; empty if it has none. */
  readonly host: string;
}

/** The file's content, and what is to be told as Events of the pod. */
export interface ResolvConf {
  readonly text: string;
  readonly warnings: readonly { readonly reason: "MissingClusterDNS" | "DNSConfigForming"; readonly message: string }[];
}

interface Parts {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  /** By name; the value may be empty. */
  readonly options: ReadonlyMap<string, string>;
}

const nothing: Parts = { nameservers: [], searches: [], options: new Map() };

/**
 * Writes it. ClusterFirst outside the host's network and ClusterFirstWithHostNet: the cluster's server, the cluster's searches
 * before the machine's, ndots:5. Default, and ClusterFirst in the host's network: as the machine. None: dnsConfig alone. dnsConfig is
 * added to each; an option of it wins over one of the same name.
 */
export function resolvConf(pod: Pod, surroundings: DnsSurroundings): ResolvConf {
  const warnings: ResolvConf["warnings"][number][] = [];
  const base = policyParts(pod, surroundings, (message) => warnings.push({ reason: "MissingClusterDNS", message }));
  const { nameservers = [], searches = [], options = [] } = pod.spec?.dnsConfig ?? {};
  const merged: Parts = {
    nameservers: [...new Set([...base.nameservers, ...nameservers])],
    searches: [...new Set([...base.searches, ...searches.map(withoutDot)])],
    options: new Map([...base.options, ...options.map(({ name = "", value = "" }) => [name, value] as const)]),
  };
  const servers = merged.nameservers.slice(0, MAX_NAMESERVERS);
  const domains = fitting(merged.searches);
  const forming = (what: string, left: readonly string[]): void => {
    const message = `${what} limits were exceeded, some have been omitted, the applied line is: ${left.join(" ")}`;
    warnings.push({ reason: "DNSConfigForming", message });
  };
  if (servers.length < merged.nameservers.length) forming("Nameserver", servers);
  if (domains.length < merged.searches.length) forming("Search Line", domains);
  const settings = [...merged.options].map(([name, value]) => (value === "" ? name : `${name}:${value}`));
  const lines = [
    ...servers.map((server) => `nameserver ${server}`),
    ...(domains.length > 0 ? [`search ${domains.join(" ")}`] : []),
    ...(settings.length > 0 ? [`options ${settings.join(" ")}`] : []),
  ];
  return { text: lines.map((line) => `${line}\n`).join(""), warnings };
}

function policyParts(pod: Pod, surroundings: DnsSurroundings, missing: (message: string) => void): Parts {
  const { dnsPolicy: policy = "ClusterFirst", hostNetwork = false } = pod.spec ?? {};
  const host = readResolvConf(surroundings.host);
  if (policy === "None") return nothing;
  if (policy === "Default" || (policy === "ClusterFirst" && hostNetwork)) return host;
  const { clusterDns, clusterDomain } = surroundings;
  if (clusterDns.length === 0) {
    missing(
      `pod: "${pod.metadata?.name ?? ""}". the node agent has no clusterDns and cannot create Pod using "${policy}" policy. Falling back to "Default" policy.`,
    );
    return host;
  }
  const namespace = pod.metadata?.namespace ?? "default";
  return {
    nameservers: clusterDns,
    searches: [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain, ...host.searches],
    options: new Map([["ndots", "5"]]),
  };
}

/** Of several `search` or `options` lines the last one counts; what cannot be read is passed over. */
function readResolvConf(text: string): Parts {
  const nameservers: string[] = [];
  let searches: readonly string[] = [];
  let options: Parts["options"] = new Map();
  for (const line of text.split("\n")) {
    const [key, ...values] = line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/);
    if (key === "nameserver" && isIP(values[0]?.split("%")[0] ?? "") !== 0) nameservers.push(values[0] ?? "");
    if (key === "search" || key === "domain") searches = values.map(withoutDot);
    if (key === "options") {
      options = new Map(
        values.map((value) => [value.split(":")[0] ?? "", value.split(":").slice(1).join(":")] as const),
      );
    }
  }
  return { nameservers, searches, options };
}

function fitting(searches: readonly string[]): readonly string[] {
  const kept: string[] = [];
  let length = -1;
  for (const domain of searches) {
    if (domain.length > MAX_DOMAIN_LENGTH) continue;
    if (kept.length === MAX_SEARCH_DOMAINS || length + 1 + domain.length > MAX_SEARCH_LENGTH) break;
    kept.push(domain);
    length += 1 + domain.length;
  }
  return kept;
}

/** `.` alone is the root and stays. */
function withoutDot(domain: string): string {
  return domain.length > 1 && domain.endsWith(".") ? domain.slice(0, -1) : domain;
}
