/** Chooses the endpoint for each try of a request, by cookie where the route has affinity. */
import { randomBytes } from "node:crypto";
import type { AffinityPolicy } from "../annotations/policy.ts";
import { cookieValue, rendezvous } from "./cookies.ts";
import type { Upstream, UpstreamEndpoint } from "./upstreams.ts";

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
  readonly #tried = new Set<string>();
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
    return this.#tried.size;
  }

  /** The next endpoint, none twice; undefined when there is none left. */
  next(): UpstreamEndpoint | undefined {
    const endpoint = this.#affinity === undefined ? this.#pick() : this.#stick(this.#affinity);
    if (endpoint !== undefined) this.#tried.add(endpoint.key);
    return endpoint;
  }

  /** The endpoint may be chosen again: its failure was not its own. */
  forgive(endpoint: UpstreamEndpoint): void {
    this.#tried.delete(endpoint.key);
  }

  #stick(affinity: AffinityPolicy): UpstreamEndpoint | undefined {
    const failed = this.#tried.size > 0;
    if (affinity.mode === "persistent") {
      const named = this.#cookie === undefined ? undefined : this.#upstream.byId.get(this.#cookie);
      if (named !== undefined && !this.#tried.has(named.key)) return named;
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
    return rendezvous(this.#key, this.#upstream.endpoints, this.#tried);
  }

  #pick(): UpstreamEndpoint | undefined {
    return this.#upstream.picker.pick(this.#upstream.endpoints, {
      client: this.#client,
      destination: this.#destination,
      exclude: this.#tried,
    });
  }
}
