/** How to reach the bus, and as whom. */
import { readFile } from "node:fs/promises";
import { credsAuthenticator, nkeyAuthenticator } from "@nats-io/transport-node";
import type { NodeConnectionOptions } from "@nats-io/transport-node";
import { InvalidInputError } from "@fairlead/types";
import { DEFAULT_BUCKET } from "./names.ts";

/** How long a connection may take to be made, in ms. */
export const CONNECT_TIMEOUT_MS = 3_000;

/** Pings are sent this often, in ms, and two unanswered ones end the connection: a second net, sessions notice silence sooner. */
const PING_INTERVAL_MS = 5_000;

/** Where the bus is and who connects. Files are read at every connect, so that renewed credentials are taken up. */
export interface NatsOptions {
  /** `nats://host:port` or `tls://host:port`; several for a cluster. */
  readonly servers: string | readonly string[];
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Path of a credentials file (JWT and seed). */
  readonly credsFile?: string;
  /** Seed of an nkey (`SU…`). */
  readonly nkey?: string;
  /** Paths of PEM files. Set, even empty, it demands TLS. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Name of the bucket; {@link DEFAULT_BUCKET} where absent. Letters, digits, `-` and `_`. */
  readonly bucket?: string;
  /** Prefix of reply subjects, for credentials that may not subscribe to all of `_INBOX.>`. */
  readonly inboxPrefix?: string;
}

/** Options of the client library: one connection that is given up when it breaks, because {@link SessionLoop} makes the next. */
export async function connectionOptions(options: NatsOptions, name: string): Promise<NodeConnectionOptions> {
  const { servers, user, password, token, credsFile, nkey, tls, inboxPrefix } = options;
  return {
    servers: typeof servers === "string" ? servers : [...servers],
    name,
    reconnect: false,
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(token === undefined ? {} : { token }),
    ...(credsFile === undefined ? {} : { authenticator: credsAuthenticator(await readFile(credsFile)) }),
    ...(nkey === undefined ? {} : { authenticator: nkeyAuthenticator(new TextEncoder().encode(nkey)) }),
    ...(tls === undefined ? {} : { tls: tlsFiles(tls) }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
  };
}

/** Throws {@link InvalidInputError} for options that can never work; whether they do work only the bus can say. */
export function checkNatsOptions(options: NatsOptions): void {
  const { servers, bucket = DEFAULT_BUCKET } = options;
  if (servers.length === 0) throw new InvalidInputError("servers", "must name at least one server");
  if (!/^[-\w]{1,64}$/.test(bucket)) {
    throw new InvalidInputError("bucket", `must be letters, digits, '-' and '_', not ${JSON.stringify(bucket)}`);
  }
  const ways = (["user", "token", "credsFile", "nkey"] as const).filter((way) => options[way] !== undefined);
  if (ways.length > 1) throw new InvalidInputError(ways.join(", "), "exclude each other");
  if (options.password !== undefined && options.user === undefined) {
    throw new InvalidInputError("password", "needs a user");
  }
}

function tlsFiles(tls: NonNullable<NatsOptions["tls"]>): NonNullable<NodeConnectionOptions["tls"]> {
  return {
    ...(tls.ca === undefined ? {} : { caFile: tls.ca }),
    ...(tls.cert === undefined ? {} : { certFile: tls.cert }),
    ...(tls.key === undefined ? {} : { keyFile: tls.key }),
  };
}
