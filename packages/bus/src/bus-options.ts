/** The options by which a service finds the bus, for its table: see `BusConfig` of `@fairlead/bus/nats`. Loads no client. */
import { option } from "@fairlead/host";
import { DEFAULT_BUCKET } from "./nats/names.ts";

/** A fresh table; spread it into the service's own. */
export function busOptions() {
  return {
    natsUrl: option.string({ optional: true, describe: "NATS servers, comma separated: nats://host:4222" }),
    natsBucket: option.string({ default: DEFAULT_BUCKET, describe: "Bucket of the feed, one a cluster" }),
    natsUser: option.string({ optional: true, describe: "User name for NATS" }),
    natsPassword: option.string({ optional: true, secret: true, describe: "Password for NATS" }),
    natsCredentials: option.path({ optional: true, describe: "Credentials file for NATS (JWT and nkey)" }),
    natsCa: option.path({ optional: true, describe: "CA certificate of the NATS servers" }),
    natsCert: option.path({ optional: true, describe: "Client certificate for NATS" }),
    natsKey: option.path({ optional: true, describe: "Key of the client certificate" }),
  };
}
