/** A client of links, addresses and routes with a socket of its own, in whichever network namespace is wanted. */
import { type NetworkNamespace, thisNetworkNamespace } from "@fairlead/sockets";
import type { Clock } from "@fairlead/types";
import { Conversation } from "../conversation.ts";
import { openKernelTransport } from "../kernel-transport.ts";
import { NetlinkFamily } from "../transport.ts";
import { RouteClient } from "./route-client.ts";

/** A client, and the end of its socket. */
export interface OpenRouteClient {
  readonly routes: RouteClient;
  close(): void;
}

/** Opens the socket in the namespace, in which it stays; throws what `run` of the namespace throws, and SystemCallError. */
export function openRouteClient(options: {
  readonly clock: Clock;
  /** This process' own unless told. */
  readonly namespace?: NetworkNamespace;
}): OpenRouteClient {
  const { clock, namespace = thisNetworkNamespace } = options;
  const transport = namespace.run(() => openKernelTransport({ family: NetlinkFamily.ROUTE }));
  const conversation = new Conversation({ transport, clock });
  return { routes: new RouteClient({ conversation }), close: () => conversation.close() };
}
