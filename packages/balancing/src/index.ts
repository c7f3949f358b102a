/**
 * Balancing algorithms as pure pickers over a list of candidates, and client affinity around any of them.
 *
 * @packageDocumentation
 */
export * from "./client-ip-affinity.ts";
export { maglevTable } from "./maglev-lookup.ts";
export * from "./picker.ts";
export * from "./registry.ts";
