/**
 * kube-proxy's configuration file, read as this agent's options, so that a node can change from one to the other with the file that it
 * has (kubeadm mounts it as `config.conf`). A field that means something here becomes an option; what means nothing is named in a notice.
 * The README has the table.
 */
import { isIP } from "node:net";
import type { FileDialect, RawValue, SourceContent } from "@fairlead/host";
import type { ConntrackSettings } from "./conntrack-settings.ts";
import { KubeProxyFields } from "./kube-proxy-fields.ts";

const apiGroup = "kubeproxy.config.k8s.io/";
const apiVersion = `${apiGroup}v1alpha1`;
const kind = "KubeProxyConfiguration";

const HEALTHZ_PORT = 10_256;
const METRICS_PORT = 10_249;

/** kube-proxy's defaults of connection tracking where the file says nothing (null): it sets these, so they are what such a file means. */
const conntrackDefaults = {
  maxPerCore: 32_768,
  min: 131_072,
  tcpEstablishedMs: 86_400_000,
  tcpCloseWaitMs: 3_600_000,
};

/** Names of schedulers that differ: the kernel's choice between two has ours of the same sort. */
const schedulers: Readonly<Record<string, string>> = { twos: "p2c" };

interface LocalMode {
  /** Value of the option `detectLocal`. */
  readonly value: string;
  /** The option that it needs, and the field that has it. */
  readonly needs?: readonly [option: string, field: string];
}

const localModes: Readonly<Record<string, LocalMode>> = {
  ClusterCIDR: { value: "cluster-cidr", needs: ["clusterCidr", "clusterCIDR"] },
  NodeCIDR: { value: "node-cidr" },
  BridgeInterface: { value: "bridge-interface", needs: ["bridgeInterface", "detectLocal.bridgeInterface"] },
  InterfaceNamePrefix: {
    value: "interface-name-prefix",
    needs: ["interfaceNamePrefix", "detectLocal.interfaceNamePrefix"],
  },
};

/** Addresses that stand for all of a family. */
const anyAddress = new Set(["", "0.0.0.0", "::"]);

/** Something that a person should know of the file. */
export interface KubeProxyNotice {
  readonly text: string;
  /** The option that it is about: with that one given otherwise, it is not worth saying. */
  readonly option?: string;
}

/** See the module. Reads one file. */
export class KubeProxyDialect implements FileDialect {
  readonly notices: KubeProxyNotice[] = [];
  readonly #hostName: string;
  #conntrack: ConntrackSettings | undefined;

  /** `hostName` is this machine's: what kube-proxy calls the node where nobody says otherwise. */
  constructor(options: { readonly hostName: string }) {
    this.#hostName = options.hostName;
  }

  /** What the file asks of connection tracking; undefined before one was read. */
  get conntrack(): ConntrackSettings | undefined {
    return this.#conntrack;
  }

  claims(content: Readonly<Record<string, unknown>>): boolean {
    const { kind: givenKind, apiVersion: givenVersion } = content;
    return givenKind === kind || (typeof givenVersion === "string" && givenVersion.startsWith(apiGroup));
  }

  read(content: Readonly<Record<string, unknown>>, file: string): SourceContent {
    const fields = new KubeProxyFields(content, file);
    const values = new Map<string, RawValue>();
    const issues = fields.issues;
    const refuse: Refuse = (field, reason) => void issues.push({ field, source: file, reason });
    const set: SetOption = (option, field, raw) => void values.set(option, { source: file, raw, field });
    if (fields.text("apiVersion") !== apiVersion) refuse("apiVersion", `must be ${apiVersion}`);
    if (fields.text("kind") !== kind) refuse("kind", `must be ${kind}`);

    const name = fields.text("hostnameOverride").trim().toLowerCase();
    set("nodeName", "hostnameOverride", name === "" ? this.#hostName.toLowerCase() : name);
    if (name === "") {
      this.#notice(
        file,
        `the node is taken to be ${this.#hostName.toLowerCase()}, as the machine is called`,
        "nodeName",
      );
    }
    // One agent a machine, as there is one kube-proxy.
    set("sharedHost", "kind", false);

    const mode = fields.text("mode");
    if (mode === "nftables" || mode === "ipvs") set("plane", "mode", mode);
    else if (mode === "" || mode === "iptables") {
      set("plane", "mode", "auto");
      const asked = mode === "" ? "the default mode of kube-proxy, iptables" : "mode iptables";
      this.#notice(file, `there is no plane for ${asked}: the best that this kernel carries is taken`, "plane");
    } else refuse("mode", 'must be nftables, ipvs, iptables or "": other modes of kube-proxy are for Windows, or gone');

    const masquerade = mode === "nftables" ? "nftables" : "iptables";
    const bit = fields.number(`${masquerade}.masqueradeBit`);
    if (bit !== undefined) set("masqueradeBit", `${masquerade}.masqueradeBit`, bit);
    if (fields.flag(`${masquerade}.masqueradeAll`)) set("masqueradeAll", `${masquerade}.masqueradeAll`, true);
    const period = `${mode === "" ? "iptables" : mode}.syncPeriod`;
    const periodMs = fields.duration(period) ?? 0;
    if (periodMs > 0) set("verifyInterval", period, `${periodMs}ms`);
    if (mode === "ipvs") ipvs(fields, set);
    localTraffic(fields, set, refuse);

    const ranges = fields.texts("nodePortAddresses");
    if (ranges.length > 0) set("nodePortAddresses", "nodePortAddresses", ranges);
    const kubeconfig = fields.text("clientConnection.kubeconfig");
    if (kubeconfig !== "") set("kubeconfig", "clientConnection.kubeconfig", kubeconfig);
    addresses(fields, set);
    if (!anyAddress.has(fields.text("bindAddress"))) {
      this.#notice(file, "of bindAddress only the family is used: the node's addresses are those of its Node object");
    }
    this.#conntrack = conntrack(fields);
    const left = fields.leftOver;
    if (left.length > 0) this.#notice(file, `without meaning here and left aside: ${left.join(", ")}`);
    return { values, issues };
  }

  #notice(file: string, text: string, option?: string): void {
    this.notices.push({ text: `${file}: ${text}`, ...(option === undefined ? {} : { option }) });
  }
}

type SetOption = (option: string, field: string, raw: unknown) => void;
type Refuse = (field: string, reason: string) => void;

function ipvs(fields: KubeProxyFields, set: SetOption): void {
  const scheduler = fields.text("ipvs.scheduler");
  if (scheduler !== "") set("scheduler", "ipvs.scheduler", schedulers[scheduler] ?? scheduler);
  if (fields.flag("ipvs.strictARP")) set("strictArp", "ipvs.strictARP", true);
  const excluded = fields.texts("ipvs.excludeCIDRs");
  if (excluded.length > 0) set("excludeCidrs", "ipvs.excludeCIDRs", excluded);
  for (const [option, field] of [
    ["ipvsTcpTimeout", "ipvs.tcpTimeout"],
    ["ipvsTcpFinTimeout", "ipvs.tcpFinTimeout"],
    ["ipvsUdpTimeout", "ipvs.udpTimeout"],
  ] as const) {
    const ms = fields.duration(field) ?? 0;
    if (ms > 0) set(option, field, `${ms}ms`);
  }
}

function localTraffic(fields: KubeProxyFields, set: SetOption, refuse: Refuse): void {
  const given = fields.text("detectLocalMode");
  const mode = localModes[given === "" ? "ClusterCIDR" : given];
  if (mode === undefined) {
    refuse("detectLocalMode", `must be one of ${Object.keys(localModes).join(", ")}`);
    return;
  }
  if (mode.needs !== undefined) {
    const [option, field] = mode.needs;
    const value = fields.text(field);
    if (value !== "") set(option, field, value);
    // Without ranges kube-proxy knows no local traffic, whatever the mode says.
    else if (option === "clusterCidr") return;
    else refuse(field, `is needed with detectLocalMode ${given}`);
  }
  set("detectLocal", "detectLocalMode", mode.value);
}

function addresses(fields: KubeProxyFields, set: SetOption): void {
  const bind = fields.text("bindAddress");
  const v6 = isIP(bind) === 6;
  set(
    "healthAddress",
    "healthzBindAddress",
    withPort(fields.text("healthzBindAddress"), HEALTHZ_PORT, v6 ? "::" : "0.0.0.0"),
  );
  set(
    "metricsAddress",
    "metricsBindAddress",
    withPort(fields.text("metricsBindAddress"), METRICS_PORT, v6 ? "::1" : "127.0.0.1"),
  );
}

/** An address may come without its port. */
function withPort(given: string, port: number, standard: string): string {
  const address = given === "" ? standard : given;
  if (isIP(address) === 6) return `[${address}]:${port}`;
  return isIP(address) === 4 ? `${address}:${port}` : address;
}

function conntrack(fields: KubeProxyFields): ConntrackSettings {
  const seconds = (field: string, standardMs: number): number =>
    Math.floor((fields.duration(`conntrack.${field}`) ?? standardMs) / 1_000);
  return {
    maxPerCore: fields.number("conntrack.maxPerCore") ?? conntrackDefaults.maxPerCore,
    min: fields.number("conntrack.min") ?? conntrackDefaults.min,
    tcpEstablishedSeconds: seconds("tcpEstablishedTimeout", conntrackDefaults.tcpEstablishedMs),
    tcpCloseWaitSeconds: seconds("tcpCloseWaitTimeout", conntrackDefaults.tcpCloseWaitMs),
    udpSeconds: seconds("udpTimeout", 0),
    udpStreamSeconds: seconds("udpStreamTimeout", 0),
    tcpBeLiberal: fields.flag("conntrack.tcpBeLiberal"),
  };
}
