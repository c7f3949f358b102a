/**
 * The fields of kube-proxy's configuration file (`kubeproxy.config.k8s.io/v1alpha1`) and their types, as its reference documents them.
 * What means something to this agent is decided elsewhere: here a file is only held to its form, so that a slip of the pen is refused by
 * its path and not lost.
 */
import { nearest } from "@fairlead/host";
import type { ConfigIssue } from "@fairlead/host";

/** Says what is wrong with a value, or undefined. */
type FieldCheck = (value: unknown) => string | undefined;

interface Fields {
  readonly [name: string]: FieldCheck | Fields;
}

const MAX_INT32 = 2_147_483_647;

/** Milliseconds of each unit of Go's durations. */
const unitsMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a duration as Go writes it (`1h0m0s`), or undefined. */
export function goDurationMs(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    ms += Number(amount) * (unitsMs[unit] ?? 0);
  }
  return ms;
}

const text: FieldCheck = (value) => (typeof value === "string" ? undefined : "must be text");
const flag: FieldCheck = (value) => (typeof value === "boolean" ? undefined : "must be true or false");
const number: FieldCheck = (value) => (typeof value === "number" ? undefined : "must be a number");
const whole =
  (min: number, max = MAX_INT32): FieldCheck =>
  (value) =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max
      ? undefined
      : `must be a whole number from ${min} to ${max}`;
const duration: FieldCheck = (value) =>
  typeof value === "string" && goDurationMs(value) !== undefined
    ? undefined
    : "must be a duration such as 30s or 1h0m0s";
const texts: FieldCheck = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === "string") ? undefined : "must be a list of texts";
const flags: FieldCheck = (value) =>
  isMapping(value) && Object.values(value).every((item) => typeof item === "boolean")
    ? undefined
    : "must be a mapping of names to true or false";
const list: FieldCheck = (value) => (Array.isArray(value) ? undefined : "must be a list");
const quantity: FieldCheck = (value) =>
  typeof value === "string" || typeof value === "number" ? undefined : "must be a quantity such as 64Ki";
// A number there is nanoseconds.
const period: FieldCheck = (value) => (typeof value === "number" ? undefined : duration(value));

const buffered: Fields = { splitStream: flag, infoBufferSize: quantity };
const masquerade: Fields = { masqueradeBit: whole(0, 31), masqueradeAll: flag };
const periods: Fields = { syncPeriod: duration, minSyncPeriod: duration };

const fields: Fields = {
  apiVersion: text,
  kind: text,
  featureGates: flags,
  clientConnection: {
    kubeconfig: text,
    acceptContentTypes: text,
    contentType: text,
    qps: number,
    burst: whole(-MAX_INT32),
  },
  logging: {
    format: text,
    flushFrequency: period,
    verbosity: whole(0),
    vmodule: list,
    options: { text: buffered, json: buffered },
  },
  hostnameOverride: text,
  bindAddress: text,
  healthzBindAddress: text,
  metricsBindAddress: text,
  bindAddressHardFail: flag,
  enableProfiling: flag,
  showHiddenMetricsForVersion: text,
  mode: text,
  iptables: { ...masquerade, ...periods, localhostNodePorts: flag, snatNodeInternalIP: flag },
  ipvs: {
    ...periods,
    scheduler: text,
    excludeCIDRs: texts,
    strictARP: flag,
    tcpTimeout: duration,
    tcpFinTimeout: duration,
    udpTimeout: duration,
  },
  nftables: { ...masquerade, ...periods },
  winkernel: {
    networkName: text,
    sourceVip: text,
    enableDSR: flag,
    rootHnsEndpointName: text,
    forwardHealthCheckVip: flag,
  },
  detectLocalMode: text,
  detectLocal: { bridgeInterface: text, interfaceNamePrefix: text },
  clusterCIDR: text,
  nodePortAddresses: texts,
  oomScoreAdj: whole(-1_000, 1_000),
  conntrack: {
    maxPerCore: whole(0),
    min: whole(0),
    tcpEstablishedTimeout: duration,
    tcpCloseWaitTimeout: duration,
    tcpBeLiberal: flag,
    udpTimeout: duration,
    udpStreamTimeout: duration,
  },
  configSyncPeriod: duration,
  portRange: text,
  windowsRunAsService: flag,
  // Of releases before 1.27 and 1.18, and still in files that were written then.
  udpIdleTimeout: duration,
  resourceContainer: text,
};

/** The values of a file by path (`ipvs.scheduler`). Each is looked at once: what nobody asked for is left over. */
export class KubeProxyFields {
  readonly issues: ConfigIssue[] = [];
  readonly #values = new Map<string, unknown>();
  readonly #taken = new Set<string>();

  /** `file` is the path for what is wrong. */
  constructor(content: Readonly<Record<string, unknown>>, file: string) {
    this.#read(content, fields, "", file);
  }

  /** Text, empty where there is none. */
  text(path: string): string {
    const value = this.#take(path);
    return typeof value === "string" ? value : "";
  }

  /** A number, undefined where there is none. */
  number(path: string): number | undefined {
    const value = this.#take(path);
    return typeof value === "number" ? value : undefined;
  }

  flag(path: string): boolean {
    return this.#take(path) === true;
  }

  texts(path: string): readonly string[] {
    const value = this.#take(path);
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** A duration in milliseconds, undefined where there is none. */
  duration(path: string): number | undefined {
    const value = this.#take(path);
    return typeof value === "string" ? goDurationMs(value) : undefined;
  }

  /** Paths that ask for something (are not empty, zero or false) and that nobody looked at; sorted. */
  get leftOver(): readonly string[] {
    return [...this.#values]
      .filter(([path, value]) => !this.#taken.has(path) && asksForSomething(value))
      .map(([path]) => path)
      .sort();
  }

  #take(path: string): unknown {
    this.#taken.add(path);
    return this.#values.get(path);
  }

  #read(content: Readonly<Record<string, unknown>>, known: Fields, prefix: string, file: string): void {
    for (const [name, value] of Object.entries(content)) {
      const path = `${prefix}${name}`;
      const field = Object.hasOwn(known, name) ? known[name] : undefined;
      if (field === undefined) {
        this.issues.push({ field: path, source: file, reason: `unknown field${nearest(name, Object.keys(known))}` });
      } else if (value === null) {
        // As if it were not there.
      } else if (typeof field === "function") {
        const reason = field(value);
        if (reason === undefined) this.#values.set(path, value);
        else this.issues.push({ field: path, source: file, reason });
      } else if (isMapping(value)) this.#read(value, field, `${path}.`, file);
      else this.issues.push({ field: path, source: file, reason: "must be a mapping" });
    }
  }
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Nothing is asked for by what Go's zero values are written as: kubeadm writes all of them out. */
function asksForSomething(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return value !== "" && value !== 0 && value !== false && !(typeof value === "string" && goDurationMs(value) === 0);
}
