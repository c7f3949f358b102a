/**
 * A virtual service as it should be, given what the kernel holds: servers that leave keep their connections, and stay at weight 0. And the
 * changes that lead there, in an order in which no connection is refused between two of them. Pure.
 */
import { createPicker } from "@fairlead/balancing";
import { type IpvsChange, IpvsFlag, type IpvsService } from "@fairlead/netlink";
import { type Place, partsOf, serverKey, serviceAt } from "./place.ts";
import type { KernelScheduler } from "./schedulers.ts";
import type { Server, VirtualService } from "./virtual-services.ts";

/** A virtual service in all that the kernel is told of it. */
export interface Arrangement {
  readonly scheduler: string;
  /** Bits of `IpvsFlag`, without those that the kernel sets itself. */
  readonly flags: number;
  readonly persistenceSeconds?: number;
  /** By endpoint key. */
  readonly servers: ReadonlyMap<string, Server>;
}

/** A virtual service as the kernel holds it. */
export interface HeldService extends Arrangement {
  readonly servers: Map<string, Server>;
}

/**
 * What the kernel should hold at a place where `held` is and `want` is wanted; undefined: nothing. Servers that are wanted no more
 * stay at weight 0, except of UDP: a flow would go to them for as long as its client goes on, so they go at once.
 */
export function arrange(
  place: Place,
  want: VirtualService | undefined,
  held: Arrangement | undefined,
  schedulerOf: (service: VirtualService) => KernelScheduler,
): Arrangement | undefined {
  const { protocol, address } = partsOf(place);
  const leaving = new Map<string, Server>();
  if (protocol !== "UDP") {
    for (const [key, server] of held?.servers ?? []) {
      // What hands connections on to this machine's own listeners has none itself.
      if (want?.servers.has(key) !== true && server.forwarding !== "local") leaving.set(key, { ...server, weight: 0 });
    }
  }
  if (want === undefined) {
    if (held === undefined || leaving.size === 0) return undefined;
    return { ...held, servers: leaving };
  }
  const { name, flags } = schedulerOf(want);
  const servers = new Map([...want.servers, ...leaving]);
  const persistence = want.persistenceSeconds === undefined ? {} : { persistenceSeconds: want.persistenceSeconds };
  if (name === "dh") {
    const alone = onlyOne(address, servers);
    if (alone !== undefined) return { scheduler: "rr", flags: 0, ...persistence, servers: alone };
  }
  return { scheduler: name, flags, ...persistence, servers };
}

/**
 * The kernel's dh refuses every connection to an address whose server has weight 0, and has no flag against it. So while there is such a
 * server, the address's own one is chosen here: it alone has a weight. Undefined while the kernel can be left to it.
 */
function onlyOne(address: string, servers: ReadonlyMap<string, Server>): ReadonlyMap<string, Server> | undefined {
  const open = [...servers].filter(([, { weight }]) => weight > 0);
  if (open.length === 0 || open.length === servers.size) return undefined;
  const candidates = open.map(([key, { weight }]) => ({ key, weight, active: 0 }));
  const chosen = createPicker("dh", { random: () => 0 }).pick(candidates, { client: "", destination: address });
  return new Map([...servers].map(([key, server]) => [key, key === chosen?.key ? server : { ...server, weight: 0 }]));
}

/**
 * The same service for a plane that has given way to another one: what is new goes to this machine's own listener at the same place, as if
 * there were no IPVS. The kernel has nothing else that lets a connection pass while the service is needed for older ones.
 */
export function handingOn(place: Place, arrangement: Arrangement): Arrangement {
  const { address, port } = partsOf(place);
  const own: Server = { address, port, weight: 1, forwarding: "local" };
  return { ...arrangement, servers: new Map([...arrangement.servers, [serverKey(own), own]]) };
}

/**
 * The changes from what is held to what should be. New servers come before old ones lose their weight, and these before any goes. The
 * address is not bound while its service comes or goes; that is the caller's.
 */
export function changesBetween(
  place: Place,
  target: Arrangement | undefined,
  held: Arrangement | undefined,
): readonly IpvsChange[] {
  const service = serviceAt(place);
  if (target === undefined) return held === undefined ? [] : [{ kind: "delete-service", service }];
  if (held === undefined) {
    return [
      { kind: "add-service", service: toService(place, target) },
      ...[...target.servers.values()].map((server): IpvsChange => ({
        kind: "add-destination",
        service,
        destination: server,
      })),
    ];
  }
  const change: readonly IpvsChange[] = sameService(target, held)
    ? []
    : [{ kind: "set-service", service: toService(place, target) }];
  const added: IpvsChange[] = [];
  const raised: IpvsChange[] = [];
  const lowered: IpvsChange[] = [];
  for (const [key, destination] of target.servers) {
    const before = held.servers.get(key);
    if (before === undefined) added.push({ kind: "add-destination", service, destination });
    else if (!sameServer(before, destination)) {
      const list = destination.weight > before.weight ? raised : lowered;
      list.push({ kind: "set-destination", service, destination });
    }
  }
  const deleted = [...held.servers]
    .filter(([key]) => !target.servers.has(key))
    .map(([, destination]): IpvsChange => ({ kind: "delete-destination", service, destination }));
  const servers = [...added, ...raised, ...lowered, ...deleted];
  // dh refuses while any server has weight 0: it comes last.
  return target.scheduler === "dh" ? [...servers, ...change] : [...change, ...servers];
}

/** The state after a change that the kernel took. What is held is written to. */
export function changed(held: HeldService | undefined, change: IpvsChange): HeldService | undefined {
  switch (change.kind) {
    case "delete-service":
      return undefined;
    case "add-service":
    case "set-service": {
      const { scheduler, flags = 0, persistence } = change.service;
      return {
        scheduler,
        flags,
        ...(persistence === undefined ? {} : { persistenceSeconds: persistence.seconds }),
        servers: held?.servers ?? new Map(),
      };
    }
    case "add-destination":
    case "set-destination":
      held?.servers.set(serverKey(change.destination), change.destination);
      return held;
    case "delete-destination":
      held?.servers.delete(serverKey(change.destination));
      return held;
  }
}

function toService(place: Place, { scheduler, flags, persistenceSeconds }: Arrangement): IpvsService {
  return {
    ...serviceAt(place),
    scheduler,
    flags,
    ...(persistenceSeconds === undefined ? {} : { persistence: { seconds: persistenceSeconds } }),
  };
}

/** Bits that the kernel sets itself, or that go with the persistence. */
export const notOurFlags = IpvsFlag.HASHED | IpvsFlag.PERSISTENT;

function sameService(a: Arrangement, b: Arrangement): boolean {
  return a.scheduler === b.scheduler && a.flags === b.flags && a.persistenceSeconds === b.persistenceSeconds;
}

function sameServer(a: Server, b: Server): boolean {
  return a.weight === b.weight && (a.forwarding ?? "masquerade") === (b.forwarding ?? "masquerade");
}
