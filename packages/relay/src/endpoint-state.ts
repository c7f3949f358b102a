/** An endpoint with what changes while it is used. */
import type { Candidate } from "@fairlead/balancing";
import type { RelayEndpoint } from "./entry.ts";

/** One endpoint of one Service port; the same object as long as it is listed or has an open connection. */
export class EndpointState implements Candidate {
  readonly key: string;
  readonly address: string;
  readonly port: number;
  weight: number;
  /** Connections and flows that are open or being opened. */
  active = 0;
  /** In one of the lists right now. */
  listed = true;

  constructor(endpoint: RelayEndpoint) {
    this.key = endpoint.key;
    this.address = endpoint.address;
    this.port = endpoint.port;
    this.weight = endpoint.weight;
  }
}
