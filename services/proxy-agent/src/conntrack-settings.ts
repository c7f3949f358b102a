/** What kube-proxy sets of the kernel's connection tracking, for those who had it set by kube-proxy. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger, Startable } from "@fairlead/host";
import type { NetworkNamespace } from "@fairlead/sockets";

/** Limits and timeouts; 0 and false leave the kernel's value as it is. */
export interface ConntrackSettings {
  /** Connections for each processor; 0 leaves the limit, and `min` with it. */
  readonly maxPerCore: number;
  /** Fewest connections, however few processors. */
  readonly min: number;
  readonly tcpEstablishedSeconds: number;
  readonly tcpCloseWaitSeconds: number;
  readonly udpSeconds: number;
  readonly udpStreamSeconds: number;
  /** Packets out of their window are no longer taken for invalid. */
  readonly tcpBeLiberal: boolean;
}

/** Reads and writes numbers below `/proc/sys/net/netfilter`; throws what the file system throws. */
export interface ConntrackSysctls {
  read(name: string): number;
  write(name: string, value: number): void;
}

interface Wanted {
  readonly name: string;
  readonly value: number;
  /** A larger value is as good. */
  readonly atLeast?: boolean;
}

/** The kernel's table of connections has a bucket for this many of them, as kube-proxy keeps it. */
const CONNECTIONS_PER_BUCKET = 4;

/** What a {@link ConntrackTuner} needs. */
export interface ConntrackTunerOptions {
  /** Absent: nothing is set. */
  readonly settings: ConntrackSettings | undefined;
  readonly namespace: NetworkNamespace;
  readonly cores: number;
  readonly log: Logger;
}

/**
 * Sets them when the agent starts, before a plane looks at them. Where the kernel has not loaded its connection tracking by then, the plane
 * makes it do so, and they are set after that.
 */
export class ConntrackTuner implements Startable {
  readonly name = "connection tracking";
  readonly #options: ConntrackTunerOptions;
  #done = false;

  constructor(options: ConntrackTunerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#options.namespace.run(() => existsSync(sysctlPath("nf_conntrack_max")))) this.lastChance();
  }

  async stop(): Promise<void> {
    // What was set is the node's, as with kube-proxy.
  }

  /** Sets them if that has not been tried yet. */
  lastChance(): void {
    const { settings, namespace, cores, log } = this.#options;
    if (this.#done || settings === undefined) return;
    this.#done = true;
    applyConntrackSettings(settings, { sysctls: conntrackSysctls(namespace), cores, log });
  }
}

function sysctlPath(name: string): string {
  return join("/proc/sys/net/netfilter", name);
}

/** The sysctls of a network namespace. */
export function conntrackSysctls(namespace: NetworkNamespace): ConntrackSysctls {
  return {
    read: (name) => Number(namespace.run(() => readFileSync(sysctlPath(name), "utf8"))),
    write: (name, value) => namespace.run(() => writeFileSync(sysctlPath(name), String(value))),
  };
}

/**
 * Sets all of it or, where one value may not be set, none of it: half of it would be a state that nobody asked for. What could not be
 * done is a notice, never an error: traffic goes on without.
 */
export function applyConntrackSettings(
  settings: ConntrackSettings,
  { sysctls, cores, log }: { readonly sysctls: ConntrackSysctls; readonly cores: number; readonly log: Logger },
): void {
  const before: Wanted[] = [];
  let at = "";
  try {
    for (const { name, value, atLeast } of wanted(settings, cores)) {
      at = name;
      const present = sysctls.read(name);
      if (present === value || (atLeast === true && present > value)) continue;
      sysctls.write(name, value);
      before.push({ name, value: present });
    }
  } catch (error) {
    const { code = "an error" } = error as NodeJS.ErrnoException;
    undo(before, sysctls, log);
    log.notice(
      `the settings of connection tracking stay as they are: net.netfilter.${at} cannot be set (${code}); set it on the node, or set the field to 0`,
    );
    return;
  }
  if (before.length > 0) log.info("connection tracking was set", { sysctls: before.map(({ name }) => name) });
}

function undo(before: readonly Wanted[], sysctls: ConntrackSysctls, log: Logger): void {
  for (const { name, value } of before.toReversed()) {
    try {
      sysctls.write(name, value);
    } catch (error) {
      log.warn("a setting of connection tracking could not be taken back", { sysctl: name, value, error });
    }
  }
}

function wanted(settings: ConntrackSettings, cores: number): readonly Wanted[] {
  const max = settings.maxPerCore === 0 ? 0 : Math.max(settings.maxPerCore * cores, settings.min);
  const all: readonly Wanted[] = [
    { name: "nf_conntrack_max", value: max },
    { name: "nf_conntrack_buckets", value: Math.floor(max / CONNECTIONS_PER_BUCKET), atLeast: true },
    { name: "nf_conntrack_tcp_timeout_established", value: settings.tcpEstablishedSeconds },
    { name: "nf_conntrack_tcp_timeout_close_wait", value: settings.tcpCloseWaitSeconds },
    { name: "nf_conntrack_udp_timeout", value: settings.udpSeconds },
    { name: "nf_conntrack_udp_timeout_stream", value: settings.udpStreamSeconds },
    { name: "nf_conntrack_tcp_be_liberal", value: settings.tcpBeLiberal ? 1 : 0 },
  ];
  return all.filter(({ value }) => value > 0);
}
