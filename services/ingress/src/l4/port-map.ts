/** The `tcp-services` and `udp-services` ConfigMaps, in ingress-nginx's format: `"<port>": "<namespace>/<service>:<port>[:PROXY][:PROXY]"`. */
import { isDnsLabel } from "@fairlead/types";

/** Ports that one ConfigMap may map; those beyond, by number, are refused. */
export const MAX_MAPPED_PORTS = 512;

/** One entry. */
export interface PortMapping {
  /** Key of the entry: the port that is listened at. */
  readonly port: number;
  readonly protocol: "TCP" | "UDP";
  readonly namespace: string;
  readonly service: string;
  /** Port of the Service, by number or name. */
  readonly servicePort: number | string;
  /** The first `PROXY`: clients begin with a PROXY header. */
  readonly readsProxyHeader: boolean;
  /** The second one: endpoints are told the client by a PROXY header. */
  readonly writesProxyHeader: boolean;
}

/** An entry that is not served, and why. */
export interface MappingProblem {
  readonly key: string;
  readonly message: string;
}

const entry = /^([^/:]+)\/([^/:]+):([^/:]+)(:PROXY|:PROXY:PROXY|::PROXY)?$/i;
/** Names of ports (RFC 6335): up to 15 characters, at least one letter, no two dashes together. */
const portName = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Reads every entry; one that is outside the grammar is told and leaves the others alone. */
export function readPortMap(
  data: Readonly<Record<string, string>>,
  protocol: "TCP" | "UDP",
): { readonly mappings: readonly PortMapping[]; readonly problems: readonly MappingProblem[] } {
  const mappings: PortMapping[] = [];
  const problems: MappingProblem[] = [];
  for (const [key, value] of Object.entries(data)) {
    const read = readEntry(key, value, protocol);
    if (typeof read === "string") problems.push({ key, message: read });
    else mappings.push(read);
  }
  mappings.sort((a, b) => a.port - b.port);
  for (const { port } of mappings.splice(MAX_MAPPED_PORTS)) {
    problems.push({ key: `${port}`, message: `is one of more than ${MAX_MAPPED_PORTS} ports` });
  }
  return { mappings, problems };
}

function readEntry(key: string, value: string, protocol: "TCP" | "UDP"): PortMapping | string {
  const port = portNumber(key);
  if (port === undefined) return "must be a port from 1 to 65535";
  const [, namespace = "", service = "", text = "", flags = ""] = entry.exec(value) ?? [];
  if (!isDnsLabel(namespace) || !isDnsLabel(service)) {
    return `must be "<namespace>/<service>:<port>" with ":PROXY" once or twice, not ${JSON.stringify(value.slice(0, 200))}`;
  }
  const servicePort = portNumber(text) ?? (portName.test(text) ? text : undefined);
  if (servicePort === undefined) return `names the port ${JSON.stringify(text)}, which is no number and no name`;
  if (flags !== "" && protocol === "UDP") return "asks for PROXY, which is for TCP only";
  return {
    port,
    protocol,
    namespace,
    service,
    servicePort,
    readsProxyHeader: /^:PROXY/i.test(flags),
    writesProxyHeader: /:\w*:PROXY$/i.test(flags),
  };
}

function portNumber(text: string): number | undefined {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}
