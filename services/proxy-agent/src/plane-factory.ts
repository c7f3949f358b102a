/** Makes planes by their name. Those of the kernel are loaded when one is made: an agent in user space does not pay for them. */
import { existsSync, readFileSync } from "node:fs";
import type { Logger } from "@fairlead/host";
import type { PickerFactory } from "@fairlead/relay";
import type { NetworkNamespace } from "@fairlead/sockets";
import type { Clock } from "@fairlead/types";
import type { ProxyAgentConfig } from "./config.ts";
import type { FlowsCleaned, KernelPlaneOptions } from "./kernel/kernel-plane-options.ts";
import type { Plane, PlaneObserver } from "./plane.ts";
import type { CountSource } from "./traffic-metrics.ts";
import { UserspacePlane } from "./userspace/userspace-plane.ts";

/** Names of planes, as `/proxyMode` says them. */
export type PlaneMode = "userspace" | "nftables" | "ipvs";

/** Planes whose state is the kernel's and outlives this process. */
export const kernelModes = ["nftables", "ipvs"] as const;
/** See {@link kernelModes}. */
export type KernelMode = (typeof kernelModes)[number];

/** A plane, and what it counts. */
export interface MadePlane {
  readonly mode: PlaneMode;
  readonly plane: Plane;
  readonly counts: CountSource;
}

/** What a plane is made by; the part of the configuration that may differ from one plane to the next. */
export type PlaneSettings = Pick<
  ProxyAgentConfig,
  | "scheduler"
  | "localTraffic"
  | "masqueradeAll"
  | "masqueradeBit"
  | "trafficCounters"
  | "verifyInterval"
  | "ipvsInterface"
  | "strictArp"
  | "excludeCidrs"
  | "ipvsTcpTimeout"
  | "ipvsTcpFinTimeout"
  | "ipvsUdpTimeout"
  | "drainTimeout"
>;

/** Makes planes. */
export interface PlaneFactory {
  /** Why this node cannot have the plane, or undefined. Leaves nothing behind. */
  whyNot(mode: PlaneMode, settings: PlaneSettings): Promise<string | undefined>;
  /** A plane that is not started. A userspace plane that has retired may be given again: its open connections are in this process. */
  make(mode: PlaneMode, settings: PlaneSettings): Promise<MadePlane>;
  /** A plane for what an earlier run left in the kernel, not started; undefined where there is no sign of any. */
  leftOver(mode: PlaneMode, settings: PlaneSettings): Promise<MadePlane | undefined>;
}

/** What planes need, whichever it is. */
export interface PlaneFactoryOptions {
  readonly node: ProxyAgentConfig["nodeName"];
  /** Where the kernel is programmed. */
  readonly namespace: NetworkNamespace;
  readonly observer: PlaneObserver;
  readonly flowsCleaned?: (run: FlowsCleaned) => void;
  readonly pickers: PickerFactory;
  readonly clock: Clock;
  readonly log: Logger;
  readonly connectTimeoutMs: number;
  readonly udpTimeoutMs: number;
}

const MS_PER_SECOND = 1_000;

/** Virtual services and their servers; there where the kernel's IPVS is loaded. Of the namespace of the thread that looks. */
const ipvsServices = "/proc/thread-self/net/ip_vs";

/** Network interfaces, each with a colon. */
const interfaces = "/proc/thread-self/net/dev";

/** The factory of the real planes. */
export class PlanesOfThisMachine implements PlaneFactory {
  readonly #options: PlaneFactoryOptions;
  #userspace: MadePlane | undefined;

  constructor(options: PlaneFactoryOptions) {
    this.#options = options;
  }

  async whyNot(mode: PlaneMode, settings: PlaneSettings): Promise<string | undefined> {
    const { namespace, clock } = this.#options;
    switch (mode) {
      case "userspace":
        return undefined;
      case "nftables":
        return (await import("./nftables/nftables-plane.ts")).NftablesPlane.probe(namespace, clock);
      case "ipvs":
        return (await import("./ipvs/ipvs-plane.ts")).IpvsPlane.probe(namespace, clock, {
          interface: settings.ipvsInterface,
        });
    }
  }

  async make(mode: PlaneMode, settings: PlaneSettings): Promise<MadePlane> {
    switch (mode) {
      case "userspace":
        return (this.#userspace ??= this.#makeUserspace());
      case "nftables": {
        const { NftablesPlane } = await import("./nftables/nftables-plane.ts");
        return kernelPlane(mode, new NftablesPlane(this.#kernelOptions(settings)));
      }
      case "ipvs": {
        const { IpvsPlane } = await import("./ipvs/ipvs-plane.ts");
        return kernelPlane(mode, new IpvsPlane({ ...this.#kernelOptions(settings), ...ipvsOptions(settings) }));
      }
    }
  }

  async leftOver(mode: PlaneMode, settings: PlaneSettings): Promise<MadePlane | undefined> {
    if (mode === "userspace" || !isPrivileged()) return undefined;
    if (mode === "ipvs" && !this.#hasIpvs(settings.ipvsInterface)) return undefined;
    return (await this.whyNot(mode, settings)) === undefined ? this.make(mode, settings) : undefined;
  }

  /** Looked for in files: to ask the kernel for IPVS would load it, and to start the plane would set it up. */
  #hasIpvs(name: string): boolean {
    return this.#options.namespace.run(() => {
      if (!existsSync(ipvsServices)) return false;
      return (
        readFileSync(interfaces, "utf8").includes(`${name}:`) ||
        /^(?:TCP|UDP|SCTP) /m.test(readFileSync(ipvsServices, "utf8"))
      );
    });
  }

  #makeUserspace(): MadePlane {
    const { pickers, observer, clock, log, connectTimeoutMs, udpTimeoutMs } = this.#options;
    const plane = new UserspacePlane({ makePicker: pickers, observer, clock, log, connectTimeoutMs, udpTimeoutMs });
    return { mode: "userspace", plane, counts: { mode: "userspace", relayed: () => plane.counters() } };
  }

  #kernelOptions(settings: PlaneSettings): KernelPlaneOptions {
    const { node, namespace, observer, flowsCleaned, clock, log } = this.#options;
    const { scheduler, localTraffic, masqueradeBit, masqueradeAll, trafficCounters, verifyInterval } = settings;
    return {
      node,
      namespace,
      observer,
      clock,
      log,
      ...(scheduler === undefined ? {} : { scheduler }),
      localTraffic,
      masqueradeBit,
      masqueradeAll,
      trafficCounters,
      verifyIntervalMs: verifyInterval,
      ...(flowsCleaned === undefined ? {} : { flowsCleaned }),
    };
  }
}

/** Whether this process may change the kernel's tables. Who may not has left nothing in them. */
export function isPrivileged(): boolean {
  return process.geteuid?.() === 0;
}

/** What every plane in the kernel tells beyond {@link Plane}. */
type KernelPlane = Plane &
  Required<Pick<CountSource, "status">> & { readonly counters: NonNullable<CountSource["counted"]> };

function kernelPlane(mode: KernelMode, plane: KernelPlane): MadePlane {
  return { mode, plane, counts: { mode, counted: () => plane.counters(), status: () => plane.status() } };
}

function ipvsOptions(settings: PlaneSettings) {
  const { ipvsInterface, strictArp, excludeCidrs, drainTimeout } = settings;
  const { ipvsTcpTimeout: tcp, ipvsTcpFinTimeout: tcpFin, ipvsUdpTimeout: udp } = settings;
  const seconds = (ms: number): number => Math.ceil(ms / MS_PER_SECOND);
  return {
    interface: ipvsInterface,
    strictArp,
    excludeCidrs,
    drainTimeoutMs: drainTimeout,
    ...(tcp + tcpFin + udp > 0 ? { timeouts: { tcp: seconds(tcp), tcpFin: seconds(tcpFin), udp: seconds(udp) } } : {}),
  };
}
