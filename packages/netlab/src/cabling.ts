/** Joins hosts of a lab: links, addresses and routes, all by netlink. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RouteClient } from "@fairlead/netlink";
import { type Cidr, cidrParts, bigIntToAddress, familyOf, type IpAddress, type IpFamily } from "@fairlead/types";
import type { LabHost } from "./lab-host.ts";
import type { DualAddress } from "./lab-plan.ts";

/** The kernel's number of the loopback interface of any namespace. */
const loopback = 1;
/** The link of a host to whatever it hangs on. */
const uplink = "eth0";
/** The bridge that the nodes and the clients outside hang on. */
const bridge = "br0";

/** Looks for local routes that the kernel adds in its own time, and the time between them in ms. */
const maxRouteRounds = 500;
const routeIntervalMs = 10;

export const families = ["IPv4", "IPv6"] as const satisfies readonly IpFamily[];

/**
 * What the kernel does by itself and a lab has no use for: waiting whether somebody else has an address, asking for routers, sending
 * hosts to a nearer router, doubting where packets come from, and sparing the network error messages.
 */
const quiet = {
  "ipv6/conf/all/disable_ipv6": 0,
  "ipv6/conf/default/accept_dad": 0,
  "ipv6/conf/all/accept_dad": 0,
  "ipv6/conf/default/accept_ra": 0,
  "ipv6/conf/all/accept_ra": 0,
  "ipv6/conf/default/router_solicitations": 0,
  "ipv6/conf/default/accept_redirects": 0,
  "ipv6/conf/all/accept_redirects": 0,
  "ipv4/conf/default/accept_redirects": 0,
  "ipv4/conf/all/accept_redirects": 0,
  "ipv4/conf/default/send_redirects": 0,
  "ipv4/conf/all/send_redirects": 0,
  "ipv4/conf/default/rp_filter": 0,
  "ipv4/conf/all/rp_filter": 0,
  "ipv4/icmp_ratemask": 0,
  // No kind of message is left but one that is not used.
  "ipv6/icmp/ratemask": 127,
} as const;

/** Makes a new host ready to be joined to others. */
export async function prepare(host: LabHost, options: { readonly forwards: boolean }): Promise<void> {
  for (const [name, value] of Object.entries(quiet)) host.setSysctl(name, value);
  if (options.forwards) {
    host.setSysctl("ipv4/ip_forward", 1);
    host.setSysctl("ipv6/conf/all/forwarding", 1);
  }
  await host.routes.setLink(loopback, { up: true });
}

/** Makes the bridge in a host, which has an address on it. */
export async function makeBridge(host: LabHost, address: DualAddress): Promise<void> {
  await host.routes.addLink({ name: bridge, kind: "bridge", up: true });
  await addAddresses(host, bridge, address, { IPv4: 24, IPv6: 64 });
}

/** Hangs a host on the bridge of another one. */
export async function hangOnBridge(host: LabHost, underlay: LabHost): Promise<void> {
  await join(underlay, host.name, host);
  const master = await indexOf(underlay.routes, bridge);
  await underlay.routes.setLink(await indexOf(underlay.routes, host.name), { master });
}

/** Hangs a pod on its node, which gets `gateway` on the link between them; no other traffic passes there. */
export async function hangOnNode(pod: LabHost, node: LabHost, gateway: DualAddress): Promise<void> {
  const link = `pod-${pod.name}`;
  await join(node, link, pod);
  await addAddresses(node, link, gateway, hostPrefix);
  await addAddresses(pod, uplink, pod.addresses, hostPrefix);
  const [outward, inward] = [await indexOf(node.routes, link), await indexOf(pod.routes, uplink)];
  for (const family of families) {
    await node.routes.addRoute({ destination: single(pod.addresses[family]), output: outward });
    await pod.routes.addRoute({ destination: single(gateway[family]), output: inward });
    await pod.routes.addRoute({ gateway: gateway[family] });
  }
}

/** Gives the host an address for each family on the link to the bridge. */
export function addUplinkAddresses(host: LabHost): Promise<void> {
  return addAddresses(host, uplink, host.addresses, { IPv4: 24, IPv6: 64 });
}

/** Sends a range by way of a host that hangs on the same bridge, or by that link itself; takes the place of an earlier route. */
export async function setRoute(host: LabHost, range: Cidr, by: DualAddress | "uplink"): Promise<void> {
  const { first, prefix, family } = cidrParts(range);
  const destination = { address: bigIntToAddress(first, family), prefix };
  const way = by === "uplink" ? { output: await uplinkOf(host) } : { gateway: by[family] };
  // In IPv6 a second route is another way beside the first one, unless that goes first.
  const before = (await host.routes.routes(family)).some(
    (route) => route.destination?.address === destination.address && route.destination.prefix === prefix,
  );
  if (before) await host.routes.deleteRoute({ destination });
  await host.routes.addRoute({ destination, ...way });
}

/** Sends everything else by way of a host on the same bridge. */
export async function setDefaultRoute(host: LabHost, by: DualAddress): Promise<void> {
  for (const family of families) await host.routes.addRoute({ gateway: by[family] });
}

/** Takes in silence what there is no other route for. */
export async function addBlackHole(host: LabHost): Promise<void> {
  for (const family of families) await host.routes.addRoute({ family, type: "blackhole" });
}

/** Gives a host further addresses; settles when packets to them are for it. */
export async function addLocalAddresses(host: LabHost, addresses: readonly IpAddress[]): Promise<void> {
  const given = addresses.map(
    (address) => ({ kind: "add", address: { index: loopback, ...single(address) } }) as const,
  );
  const [refusal] = await host.routes.changeAddresses(given);
  if (refusal !== undefined) throw new Error(`an address was refused: ${JSON.stringify(refusal)}`);
  for (const family of families) {
    const wanted = addresses.filter((address) => familyOf(address) === family);
    for (let round = 1; !(await hasLocalRoutes(host, family, wanted)); round++) {
      if (round === maxRouteRounds) throw new Error(`${host.name} has no local routes to its new addresses`);
      await sleep(routeIntervalMs);
    }
  }
}

/** IPv6 adds them by a task of its own. */
async function hasLocalRoutes(host: LabHost, family: IpFamily, addresses: readonly IpAddress[]): Promise<boolean> {
  if (addresses.length === 0) return true;
  const local = (await host.routes.routes(family)).filter(({ type }) => type === "local");
  const present = new Set(local.map(({ destination }) => destination?.address));
  return addresses.every((address) => present.has(address));
}

const hostPrefix = { IPv4: 32, IPv6: 128 } as const;

function single(address: IpAddress): { readonly address: IpAddress; readonly prefix: number } {
  return { address, prefix: hostPrefix[familyOf(address)] };
}

/** A link `name` in one host whose other end is the uplink of another; both up. */
async function join(host: LabHost, name: string, other: LabHost): Promise<void> {
  await host.routes.addVeth({ name, peer: uplink, peerDescriptor: other.namespace.descriptor });
  await host.routes.setLink(await indexOf(host.routes, name), { up: true });
  await other.routes.setLink(await indexOf(other.routes, uplink), { up: true });
}

async function addAddresses(
  host: LabHost,
  link: string,
  addresses: DualAddress,
  prefix: Readonly<Record<IpFamily, number>>,
): Promise<void> {
  const index = await indexOf(host.routes, link);
  for (const family of families) {
    await host.routes.addAddress({ index, address: addresses[family], prefix: prefix[family] });
  }
}

/** The link by which a host reaches what hangs on the bridge: of the bridge's own host, that is the bridge. */
async function uplinkOf(host: LabHost): Promise<number> {
  const link = (await host.routes.link(bridge)) ?? (await host.routes.link(uplink));
  return link?.index ?? 0;
}

async function indexOf(routes: RouteClient, name: string): Promise<number> {
  const link = await routes.link(name);
  if (link === undefined) throw new Error(`there is no link ${name}`);
  return link.index;
}
