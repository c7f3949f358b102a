/**
 * A room for planes in the kernel: this thread in a network namespace of its own, in which the node, its pods and its clients are addresses
 * of one machine. Enough to see what a plane programs; who sees which packet from where is the flow suite's business.
 */
import { execFileSync } from "node:child_process";
import { silentLogger, systemClock } from "@fairlead/host";
import { openRouteClient } from "@fairlead/netlink";
import { enterNewNetworkNamespace, thisNetworkNamespace } from "@fairlead/sockets";
import { cidr, ipAddress } from "@fairlead/types";
import type { NodeName } from "@fairlead/types";
import type { KernelPlaneOptions } from "../../src/kernel/kernel-plane-options.ts";
import { RecordingObserver } from "../../src/testing.ts";

const loopback = 1;

/** See the module. */
export class KernelRoom implements Disposable {
  readonly #leave = enterNewNetworkNamespace();
  #services = 0;
  #pods = 0;

  /** Two addresses that clients connect from. */
  static readonly clients = ["10.244.1.251", "10.244.1.252"] as const;

  /** Makes the loopback interface and a way for packets to Services; without it there is nothing. */
  async furnish(): Promise<void> {
    const client = openRouteClient({ clock: systemClock });
    const { routes: route } = client;
    try {
      await route.setLink(loopback, { up: true });
      for (const address of KernelRoom.clients) {
        await route.addAddress({ index: loopback, address: ipAddress(address), prefix: 32 });
      }
      for (let last = 1; last <= 40; last++) {
        await route.addAddress({ index: loopback, address: ipAddress(`10.244.1.${last}`), prefix: 32 });
      }
      // Somewhere that packets to Services would go, were they not led to an endpoint: nobody listens there.
      await route.addVeth({ name: "out", peer: "nowhere" });
      const [out, nowhere] = await Promise.all([route.link("out"), route.link("nowhere")]);
      if (out === undefined || nowhere === undefined) throw new Error("the room has no way out");
      await route.setLink(out.index, { up: true });
      await route.setLink(nowhere.index, { up: true });
      const gateway = ipAddress("10.100.0.254");
      await route.addAddress({ index: out.index, address: ipAddress("10.100.0.1"), prefix: 24 });
      await route.setNeighbour({ index: out.index, address: gateway, linkAddress: "02:00:00:00:00:09" });
      await route.addRoute({ destination: { address: ipAddress("10.96.0.0"), prefix: 12 }, gateway });
    } finally {
      client.close();
    }
  }

  /** A Service address that was not handed out before. */
  serviceAddress(): string {
    this.#services += 1;
    return `10.96.${this.#services >> 8}.${this.#services & 0xff}`;
  }

  /** An address that a server can listen on. */
  endpointAddress(): string {
    this.#pods = (this.#pods % 40) + 1;
    return `10.244.1.${this.#pods}`;
  }

  /** Options of a plane in this room. */
  options(options: Partial<KernelPlaneOptions> = {}): KernelPlaneOptions {
    return {
      node: "node-1" as NodeName,
      namespace: thisNetworkNamespace,
      observer: new RecordingObserver(),
      clock: systemClock,
      log: silentLogger,
      localTraffic: { kind: "ranges", ranges: [cidr("10.244.0.0/16")] },
      masqueradeBit: 14,
      masqueradeAll: false,
      trafficCounters: true,
      verifyIntervalMs: 0,
      ...options,
    };
  }

  /** What nft prints of all rules; throws where it does not come to an end or has something to say. */
  ruleset(): string {
    return execFileSync("nft", ["list", "ruleset"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 1 << 28,
    });
  }

  /** Runs nft. */
  nft(...args: readonly string[]): void {
    execFileSync("nft", args, { stdio: ["ignore", "ignore", "inherit"] });
  }

  [Symbol.dispose](): void {
    this.#leave();
  }
}
