export { LinkFlag, RouteGroup, RouteMessage } from "./layouts.ts";
export * from "./route-client.ts";
