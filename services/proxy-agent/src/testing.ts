/** For tests of planes: the compliance suite and what it is made of. Needs vitest. */
export * from "./testing/backends.ts";
export * from "./testing/clients.ts";
export * from "./testing/entries.ts";
export * from "./testing/plane-compliance.ts";
