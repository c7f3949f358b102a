/** The nats-server of a distributed stack: file storage in the state folder, loopback only, one user for each service. */
import { randomBytes } from "node:crypto";
import { accessSync, constants, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { NatsPermissions } from "@fairlead/bus/permissions";
import { CodedError } from "@fairlead/types";
import { apiAddress } from "../options/address-plan.ts";

/** Where Debian puts servers, which an ordinary user's PATH leaves out. */
const systemFolders = ["/usr/sbin", "/usr/local/sbin"];
/** What the server may store, in bytes: the feed is a few MiB at most. */
const maxMemoryStore = 16 << 20;
const maxFileStore = 1 << 30;

/** Thrown when there is no nats-server to run. */
export class NatsServerMissingError extends CodedError {
  readonly code = "NATS_SERVER_MISSING";

  constructor() {
    super(
      "--distributed needs nats-server on PATH (Debian: apt-get install nats-server), or --nats-url of a running one",
    );
    this.name = "NatsServerMissingError";
  }
}

/** The path of nats-server; throws {@link NatsServerMissingError}. */
export function findNatsServer(env: Readonly<Record<string, string | undefined>>): string {
  const folders = [...(env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== ""), ...systemFolders];
  const found = folders.map((folder) => join(folder, "nats-server")).find(isExecutable);
  if (found === undefined) throw new NatsServerMissingError();
  return found;
}

/** Name and password of one user of the server. */
export interface NatsCredentials {
  readonly user: string;
  readonly password: string;
}

/** The services that are on the bus: the first writes, the others read. */
export const busUsers = ["endpoint-controller", "proxy-agent", "dns", "ingress"] as const;
export type BusUser = (typeof busUsers)[number];

/** A server's configuration on disk, and what its users need. */
export interface NatsSetup {
  readonly url: string;
  readonly port: number;
  readonly configFile: string;
  readonly users: Readonly<Record<BusUser, NatsCredentials>>;
}

/** Writes the configuration (mode 0600: it holds the passwords, made anew each time). */
export function writeNatsConfig(options: {
  readonly stateDir: string;
  readonly port: number;
  /** What each user may do. */
  readonly permissions: Readonly<Record<BusUser, NatsPermissions>>;
}): NatsSetup {
  const { stateDir, port, permissions } = options;
  const folder = join(stateDir, "nats");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const credentials = (user: BusUser): NatsCredentials => ({ user, password: randomBytes(24).toString("hex") });
  const setup: NatsSetup = {
    url: `nats://${apiAddress}:${port}`,
    port,
    configFile: join(folder, "nats-server.conf"),
    users: {
      "endpoint-controller": credentials("endpoint-controller"),
      "proxy-agent": credentials("proxy-agent"),
      dns: credentials("dns"),
      ingress: credentials("ingress"),
    },
  };
  // The server reads JSON: nothing is quoted by hand.
  const config = {
    listen: `${apiAddress}:${port}`,
    server_name: "fairlead-dev",
    jetstream: { store_dir: join(folder, "store"), max_memory_store: maxMemoryStore, max_file_store: maxFileStore },
    authorization: {
      users: busUsers.map((user) => ({ ...setup.users[user], permissions: permissions[user] })),
    },
  };
  writeFileSync(setup.configFile, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  return setup;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
