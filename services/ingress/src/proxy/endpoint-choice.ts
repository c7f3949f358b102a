/** Chooses the endpoint for each try of a request, by cookie where the route has affinity. */
import { randomBytes } from "node:crypto";
import type { AffinityPolicy } from "../annotations/policy.ts";
import { cookieValue, rendezvous } from "./cookies.ts";
import type { Upstream, UpstreamEndpoint } from "./upstreams.ts";

const none: ReadonlySet<string> = new Set();
const keyPattern = /^[A-Za-z0-9_-]{22}$/;

/** One request's choices. */
export class EndpointChoice {
  /** Value of the cookie to set with the response, if one must be. */
  newCookie: string | undefined;
  readonly #upstream: Upstream;
  readonly #affinity: AffinityPolicy | undefined;
  readonly #client: string;
  readonly #destination: string;
  readonly #cookie: string | undefined;
  /** Made for the second choice: most requests need one. */
  #tried: Set<string> | undefined;
  #chosen: UpstreamEndpoint | undefined;
  #key: string | undefined;

  constructor(options: {
    upstream: Upstream;
    affinity: AffinityPolicy | undefined;
    client: string;
    destination: string;
    cookies: string | undefined;
  }) {
    const { upstream, affinity, client, destination, cookies } = options;
    this.#upstream = upstream;
    this.#affinity = affinity;
    this.#client = client;
    this.#destination = destination;
    const value = affinity === undefined ? undefined : cookieValue(cookies, affinity.cookie);
    this.#cookie = value !== undefined && keyPattern.test(value) ? value : undefined;
  }

  /** How many were chosen so far. */
  get tries(): number {
    return (this.#tried?.size ?? 0) + (this.#chosen === undefined ? 0 : 1);
  }

  /** The next endpoint, none twice; undefined when there is none left. */
  next(): UpstreamEndpoint | undefined {
    if (this.#chosen !== undefined) (this.#tried ??= new Set()).add(this.#chosen.key);
    this.#chosen = this.#affinity === undefined ? this.#pick() : this.#stick(this.#affinity);
    return this.#chosen;
  }

  /** The endpoint may be chosen again: its failure was not its own. */
  forgive(endpoint: UpstreamEndpoint): void {
    if (this.#chosen === endpoint) this.#chosen = undefined;
    else this.#tried?.delete(endpoint.key);
  }

  #stick(affinity: AffinityPolicy): UpstreamEndpoint | undefined {
    const failed = (this.#tried?.size ?? 0) > 0;
    if (affinity.mode === "persistent") {
      const named = this.#cookie === undefined ? undefined : this.#upstream.byId.get(this.#cookie);
      if (named !== undefined && this.#tried?.has(named.key) !== true) return named;
      const endpoint = this.#pick();
      // A session whose endpoint is still listed may find it well again, unless the route says to move on.
      if (endpoint !== undefined && (named === undefined || affinity.changeOnFailure)) this.newCookie = endpoint.id;
      return endpoint;
    }
    if (this.#key === undefined || (failed && affinity.changeOnFailure)) {
      const kept = failed ? undefined : this.#cookie;
      this.#key = kept ?? randomBytes(16).toString("base64url");
      if (kept === undefined) this.newCookie = this.#key;
    }
    return rendezvous(this.#key, this.#upstream.endpoints, this.#tried ?? none);
  }

  #pick(): UpstreamEndpoint | undefined {
    const { endpoints, picker } = this.#upstream;
    const context = { client: this.#client, destination: this.#destination };
    return picker.pick(endpoints, this.#tried === undefined ? context : { ...context, exclude: this.#tried });
  }
}
