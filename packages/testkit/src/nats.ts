/** A real nats-server for a test. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { launch, LaunchError, type Launched } from "./launch.ts";
import { programPath } from "./needs.ts";

/** How often another port is tried when somebody took the free one first. */
const PORT_ATTEMPTS = 5;

/** Largest message, in bytes: the server's own default. */
const DEFAULT_MAX_PAYLOAD = 1_048_576;

/** A running server. */
export interface NatsServer extends Launched {
  /** `nats://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
}

/** How to run it. */
export interface NatsOptions {
  /** Where JetStream keeps its files, and the configuration is written; made if missing. Kept at stop. */
  readonly storeDir: string;
  /** A free one unless told. To restart a server at its address: stop it, then start with the `port` it had. */
  readonly port?: number;
  /** True unless told. */
  readonly jetstream?: boolean;
  /** Bytes; 1 MiB unless told. */
  readonly maxPayload?: number;
  /** More lines for its configuration file: accounts, users, limits. */
  readonly config?: string;
}

/** Starts nats-server on 127.0.0.1 and waits until it takes connections; ask {@link needs} for `"nats-server"` first. */
export async function startNats(options: NatsOptions): Promise<NatsServer> {
  const command = programPath("nats-server");
  if (command === undefined) throw new LaunchError("nats-server is not on PATH");
  await mkdir(options.storeDir, { recursive: true });
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    try {
      return await startAt(command, port, options);
    } catch (error) {
      const taken = error instanceof LaunchError && error.message.includes("address already in use");
      if (!taken || options.port !== undefined || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

async function startAt(command: string, port: number, options: NatsOptions): Promise<NatsServer> {
  const { storeDir, jetstream = true, maxPayload = DEFAULT_MAX_PAYLOAD, config = "" } = options;
  const lines = [
    `listen: "127.0.0.1:${port}"`,
    `max_payload: ${maxPayload}`,
    ...(jetstream ? [`jetstream { store_dir: ${JSON.stringify(storeDir)} }`] : []),
    config,
  ];
  const file = join(storeDir, "nats.conf");
  await writeFile(file, `${lines.join("\n")}\n`);
  const server = await launch({ command, args: ["-c", file], ready: /Server is ready/ });
  return Object.assign(server, { url: `nats://127.0.0.1:${port}`, port });
}
