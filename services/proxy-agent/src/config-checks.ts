/** Which options go together. What means nothing for the plane that was asked for is refused: it would be believed to be in force. */
import type { ConfigIssue, GivenValues } from "@fairlead/host";
import type { Cidr } from "@fairlead/types";
import type { LocalTraffic } from "./kernel/kernel-plane-options.ts";

/** Shortest time between two verifications, in milliseconds: each one reads the kernel's state back. */
export const MIN_VERIFY_INTERVAL_MS = 1_000;

/** The options that have to do with each other. */
export interface CheckedOptions {
  readonly plane: "userspace" | "nftables" | "ipvs" | "auto";
  readonly cleanup: boolean;
  readonly sharedHost: boolean | undefined;
  readonly clusterCidr: readonly Cidr[];
  readonly detectLocal:
    | "cluster-cidr"
    | "node-cidr"
    | "bridge-interface"
    | "interface-name-prefix"
    | "none"
    | undefined;
  readonly bridgeInterface: string | undefined;
  readonly interfaceNamePrefix: string | undefined;
  readonly verifyInterval: number;
}

const userspaceOnly = ["connectTimeout", "udpTimeout"];
const kernelOnly = [
  "networkNamespace",
  "clusterCidr",
  "detectLocal",
  "bridgeInterface",
  "interfaceNamePrefix",
  "masqueradeAll",
  "masqueradeBit",
  "trafficCounters",
  "verifyInterval",
];
const ipvsOnly = [
  "ipvsInterface",
  "strictArp",
  "excludeCidrs",
  "ipvsTcpTimeout",
  "ipvsTcpFinTimeout",
  "ipvsUdpTimeout",
  "drainTimeout",
];

/** What is wrong, naming the field as it was given. */
export function checkOptions(options: CheckedOptions, given: GivenValues): readonly ConfigIssue[] {
  // A cleanup takes whatever the service itself is configured with.
  if (options.cleanup) return [];
  const issues: ConfigIssue[] = [];
  const refuse = (key: string, reason: string): void => {
    const from = given.get(key);
    issues.push({ field: from?.field ?? key, source: from?.source ?? "nowhere", reason });
  };
  for (const key of foreignOptions(options.plane)) {
    // Of kube-proxy's file, which has a block for every mode, the blocks of other modes are left aside with a notice.
    if (!given.has(key) || given.get(key)?.field !== undefined) continue;
    refuse(key, `means nothing to the plane ${options.plane}: leave it out, or choose another plane`);
  }
  if (options.sharedHost === true && options.plane !== "userspace") {
    refuse("sharedHost", "is for the plane userspace: nodes that share a kernel need a networkNamespace each");
  }
  if (options.verifyInterval < MIN_VERIFY_INTERVAL_MS) {
    refuse("verifyInterval", `must be at least ${MIN_VERIFY_INTERVAL_MS} ms`);
  }
  checkLocalTraffic(options, given, refuse);
  return issues;
}

function foreignOptions(plane: CheckedOptions["plane"]): readonly string[] {
  switch (plane) {
    case "userspace":
      return [...kernelOnly, ...ipvsOnly];
    case "nftables":
      return [...userspaceOnly, ...ipvsOnly];
    case "ipvs":
      return userspaceOnly;
    // Whichever of the two it becomes.
    case "auto":
      return ipvsOnly;
  }
}

function checkLocalTraffic(
  options: CheckedOptions,
  given: GivenValues,
  refuse: (key: string, reason: string) => void,
): void {
  const { clusterCidr, bridgeInterface, interfaceNamePrefix } = options;
  const mode = localModeOf(options);
  for (const [key, wanted, value] of [
    ["clusterCidr", "cluster-cidr", clusterCidr.length > 0],
    ["bridgeInterface", "bridge-interface", bridgeInterface !== undefined],
    ["interfaceNamePrefix", "interface-name-prefix", interfaceNamePrefix !== undefined],
  ] as const) {
    if (mode === wanted && !value) refuse(key, `is needed with detectLocal ${wanted}`);
    if (mode !== wanted && value && given.get(key)?.field === undefined) {
      refuse(key, `means nothing with detectLocal ${mode}: it is for ${wanted}`);
    }
  }
}

function localModeOf({ detectLocal, clusterCidr }: CheckedOptions): NonNullable<CheckedOptions["detectLocal"]> {
  return detectLocal ?? (clusterCidr.length > 0 ? "cluster-cidr" : "none");
}

/** How traffic of pods is told, of options that passed {@link checkOptions}. */
export function localTrafficOf(options: CheckedOptions): LocalTraffic {
  switch (localModeOf(options)) {
    case "cluster-cidr":
      return { kind: "ranges", ranges: options.clusterCidr };
    case "node-cidr":
      return { kind: "node-ranges" };
    case "bridge-interface":
      return { kind: "interface", name: options.bridgeInterface ?? "" };
    case "interface-name-prefix":
      return { kind: "interface-prefix", prefix: options.interfaceNamePrefix ?? "" };
    case "none":
      return { kind: "none" };
  }
}
