/** For tests of what relays: endpoints that say who they are, clients, and entries. */
export * from "./testing/backends.ts";
export * from "./testing/clients.ts";
export * from "./testing/entries.ts";
