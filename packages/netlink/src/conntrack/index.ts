export * from "./conntrack-client.ts";
export { ConntrackGroup, ConntrackMessage } from "./layouts.ts";
