/** For tests of providers: the compliance suite, and a provider in memory. Needs vitest. */
export * from "./testing/fake-load-balancers.ts";
export * from "./testing/provider-compliance.ts";
