/** The nats-server of a distributed stack: file storage in the state folder, loopback only, one writer and read-only agents. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { delimiter, join } from "node:path";

/** Where Debian puts servers, which an ordinary user's PATH leaves out. */
const systemFolders = ["/usr/sbin", "/usr/local/sbin"];
const writer = "endpoint-controller";
const reader = "proxy-agent";

/** The path of nats-server; throws an error that says how to get it. */
export function findNatsServer(env: Readonly<Record<string, string | undefined>>): string {
  const folders = [...(env["PATH"] ?? "").split(delimiter), ...systemFolders];
  const found = folders.map((folder) => join(folder, "nats-server")).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new Error(
    "--distributed needs nats-server on PATH (Debian: apt-get install nats-server), or --nats-url of a running one",
  );
}

/** Name and password of one user of the server. */
export interface NatsCredentials {
  readonly user: string;
  readonly password: string;
}

/** A server's configuration on disk, and what its users need. */
export interface NatsSetup {
  readonly url: string;
  readonly port: number;
  readonly configFile: string;
  readonly writer: NatsCredentials;
  readonly reader: NatsCredentials;
}

/**
 * Writes the configuration (mode 0600: it holds the passwords, made anew each time). `readerPermissions` is what a follower of the
 * feed may do, in the server's own syntax.
 */
export function writeNatsConfig(options: {
  readonly stateDir: string;
  readonly port: number;
  readonly readerPermissions: { readonly publish: readonly string[]; readonly subscribe: readonly string[] };
}): NatsSetup {
  const { stateDir, port, readerPermissions } = options;
  const folder = join(stateDir, "nats");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const secret = (): string => randomBytes(24).toString("hex");
  const setup: NatsSetup = {
    url: `nats://127.0.0.1:${port}`,
    port,
    configFile: join(folder, "nats-server.conf"),
    writer: { user: writer, password: secret() },
    reader: { user: reader, password: secret() },
  };
  // The server reads JSON: nothing is quoted by hand.
  const config = {
    listen: `127.0.0.1:${port}`,
    server_name: "fairlead-dev",
    pid_file: pidFile(stateDir),
    jetstream: { store_dir: join(folder, "store"), max_memory_store: 16 << 20, max_file_store: 1 << 30 },
    authorization: {
      users: [
        setup.writer,
        {
          ...setup.reader,
          permissions: { publish: readerPermissions.publish, subscribe: readerPermissions.subscribe },
        },
      ],
    },
  };
  writeFileSync(setup.configFile, JSON.stringify(config, null, 2), { mode: 0o600 });
  return setup;
}

/** Whether a server listens there. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const answer = (listening: boolean): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(false));
  });
}

/**
 * Ends the nats-server that an earlier launcher left behind when it was killed. Only a process whose number is in our pid file and
 * that runs with our configuration file is one of ours.
 */
export function endLeftoverNats(stateDir: string): void {
  const file = pidFile(stateDir);
  try {
    const pid = Number.parseInt(readFileSync(file, "utf8"), 10);
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    if (command.includes(join(stateDir, "nats", "nats-server.conf"))) process.kill(pid, "SIGKILL");
  } catch {
    // No file, or no such process: nothing was left behind.
  }
  rmSync(file, { force: true });
}

function pidFile(stateDir: string): string {
  return join(stateDir, "nats", "nats-server.pid");
}
