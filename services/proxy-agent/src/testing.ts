/** For tests of planes: the compliance suite and what it is made of. Needs vitest. */
export {
  ask,
  datagramRefusal,
  open,
  outcome,
  readAll,
  TcpBackend,
  UdpBackend,
  UdpClient,
} from "@fairlead/relay/testing";
export type { At } from "@fairlead/relay/testing";
export * from "./testing/entries.ts";
export * from "./testing/plane-compliance.ts";
