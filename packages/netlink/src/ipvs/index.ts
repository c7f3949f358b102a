export * from "./ipvs-client.ts";
export { IpvsCommand, ipvsFamilyName, type IpvsStats } from "./layouts.ts";
export * from "./virtual-service.ts";
