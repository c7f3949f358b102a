/**
 * For tests only: time and chance under control, one address plan, real programs and bad networks.
 *
 * @packageDocumentation
 */
export * from "./address-plan.ts";
export * from "./dev-cluster.ts";
export * from "./eventually.ts";
export * from "./fake-clock.ts";
export * from "./free-port.ts";
export * from "./launch.ts";
export * from "./nats.ts";
export * from "./needs.ts";
export * from "./recording-logger.ts";
export * from "./seeded-random.ts";
export * from "./tcp-relay.ts";
export * from "./temporary-directory.ts";
