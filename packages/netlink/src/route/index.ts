export { LinkFlag, RouteGroup, RouteMessage } from "./layouts.ts";
export * from "./route-client.ts";
export type { Link, LinkAddress, Neighbour, Route } from "./route-objects.ts";
