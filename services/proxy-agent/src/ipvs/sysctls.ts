/** Settings of the kernel that IPVS needs in its network namespace, set where they are other than they should be. */
import { readFileSync, writeFileSync } from "node:fs";
import type { NetworkNamespace } from "@fairlead/sockets";
import { CodedError } from "@fairlead/types";

/** Thrown when a setting cannot be made; the message says what to do. */
export class SysctlError extends CodedError {
  readonly code = "SYSCTL";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SysctlError";
  }
}

/** A setting, by its name in sysctl's notation. */
export interface Sysctl {
  readonly name: string;
  readonly value: string;
  /** Kernels may lack it. */
  readonly optional?: boolean;
}

/** First kernel on which connections from a reused port are scheduled anew without a delay of a second: there its default is right. */
const reuseWithoutDelay = [5, 9] as const;

/** What should be set. `release` is the kernel's, as 6.1.0-57-amd64. */
export function wantedSysctls(options: {
  readonly strictArp: boolean;
  readonly trafficCounters: boolean;
  readonly release: string;
}): readonly Sysctl[] {
  const { strictArp, trafficCounters, release } = options;
  return [
    // Connections are tracked: masquerading needs it, and so do rules that look at the first packet of each.
    { name: "net.ipv4.vs.conntrack", value: "1" },
    { name: "net.ipv4.vs.conn_reuse_mode", value: isAtLeast(release, reuseWithoutDelay) ? "1" : "0" },
    // Connections to a server that has gone are forgotten, rather than dropped for minutes: their next packet begins anew.
    { name: "net.ipv4.vs.expire_nodest_conn", value: "1" },
    // A client with an affinity to a server of weight 0 goes to another one.
    { name: "net.ipv4.vs.expire_quiescent_template", value: "1" },
    // Before Linux 6.2 a timer walks through all services every two seconds; counters are made there, so without them it is off.
    { name: "net.ipv4.vs.run_estimation", value: trafficCounters ? "1" : "0", optional: true },
    { name: "net.ipv4.ip_forward", value: "1" },
    ...(strictArp
      ? [
          // Other nodes ask who has a load balancer's address: only whoever announces it should answer.
          { name: "net.ipv4.conf.all.arp_ignore", value: "1" },
          { name: "net.ipv4.conf.all.arp_announce", value: "2" },
        ]
      : []),
  ];
}

/** Sets what differs; returns how many. Throws {@link SysctlError}. */
export function setSysctls(namespace: NetworkNamespace, wanted: readonly Sysctl[]): number {
  return namespace.run(() => wanted.filter((sysctl) => setOne(sysctl)).length);
}

function setOne({ name, value, optional = false }: Sysctl): boolean {
  const path = `/proc/sys/${name.replaceAll(".", "/")}`;
  let before: string;
  try {
    before = readFileSync(path, "utf8").trim();
  } catch (error) {
    if (optional) return false;
    throw new SysctlError(
      `${name} cannot be read: ${(error as Error).message}. ` +
        (name.startsWith("net.ipv4.vs.")
          ? `The kernel has no IPVS here: load it with 'modprobe ip_vs', or choose another plane.`
          : `Mount /proc with its sys folder.`),
      { cause: error },
    );
  }
  if (before === value) return false;
  try {
    writeFileSync(path, value);
  } catch (error) {
    throw new SysctlError(
      `${name} is ${before} and cannot be set to ${value}, which the ipvs plane needs: ${(error as Error).message}. Run the proxy as root ` +
        `with /proc/sys mounted writable, or set it beforehand with 'sysctl -w ${name}=${value}'.`,
      { cause: error },
    );
  }
  const after = readFileSync(path, "utf8").trim();
  if (after === value) return true;
  throw new SysctlError(`${name} stays ${after} although ${value} was written: another program may keep setting it.`);
}

function isAtLeast(release: string, [major, minor]: readonly [number, number]): boolean {
  const [, first, second] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  const version = [Number(first), Number(second)] as const;
  return version[0] > major || (version[0] === major && version[1] >= minor);
}
