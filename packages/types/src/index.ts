/**
 * The vocabulary of Fairlead: what crosses the boundary between two parts. Types and validated constructors only, no I/O,
 * no dependency but Node's own address parser. Everything else may depend on this package; it depends on nothing.
 *
 * @packageDocumentation
 */
export * from "./brand.ts";
export * from "./change-codec.ts";
export * from "./change.ts";
export * from "./endpoint.ts";
export * from "./errors.ts";
export * from "./identity.ts";
export * from "./namespace.ts";
export * from "./net.ts";
export * from "./node.ts";
export * from "./pod.ts";
export * from "./ports.ts";
export * from "./service.ts";
