/**
 * For tests only: nodes, pods and clients as network namespaces within one process.
 *
 * @packageDocumentation
 */
export * from "./lab.ts";
export * from "./lab-client.ts";
export * from "./lab-host.ts";
export * from "./lab-plan.ts";
export * from "./lab-server.ts";
export * from "./outcome.ts";
