/** What the proxy does where no annotation says otherwise. */

/** Times in milliseconds, sizes in bytes. */
export interface ProxySettings {
  readonly connectTimeoutMs: number;
  readonly readTimeoutMs: number;
  readonly sendTimeoutMs: number;
  /** 0 means no bound. */
  readonly maxBodyBytes: number;
  /** Whether plain requests for a host with TLS are sent to https. */
  readonly sslRedirect: boolean;
  /** Port in redirects to https; 443 is left out of the URL. */
  readonly httpsPort: () => number;
  /** Whether what an address says in X-Forwarded-* and Forwarded is believed. */
  readonly isTrusted: (address: string) => boolean;
}
