/**
 * The development launcher, `fairlead dev`: composes the services, in one process or in one each.
 *
 * @packageDocumentation
 */
export { dev } from "./dev.ts";
