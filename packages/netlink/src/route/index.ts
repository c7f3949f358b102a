export { LinkFlag, RouteGroup, RouteMessage } from "./layouts.ts";
export * from "./open-route-client.ts";
export * from "./route-client.ts";
export type { Link, LinkAddress, Neighbour, Route } from "./route-objects.ts";
