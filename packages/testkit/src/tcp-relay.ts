/** A bad network between a client and a server: late, silent or cut, as the test says. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Bytes held back in one direction of one connection before its sender is made to wait. */
const HELD_LIMIT = 4_194_304;

/** Where the relay leads to; `scheme` is only for its `url`. */
export interface RelayTarget {
  readonly host: string;
  readonly port: number;
  /** "nats" unless told. */
  readonly scheme?: string;
}

/** A running relay on 127.0.0.1. */
export interface TcpRelay extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** From now on each byte arrives `ms` later, in both directions; order is kept. */
  delay(ms: number): void;
  /**
   * While on, what flows is thrown away in both directions and an end of either side goes unnoticed, as behind a firewall
   * that drops. Connections stay open and new ones are taken. Bytes lost are lost: afterwards only new connections are sane.
   */
  drop(on: boolean): void;
  /** Breaks every connection at once; new ones are taken. */
  cut(): void;
  /** Breaks every connection and frees the port; safe to call twice. */
  stop(): Promise<void>;
}

/** State shared by every connection of one relay. */
interface Weather {
  delayMs: number;
  dropping: boolean;
  /** Ends that happened while dropping, to be passed on when it is over. */
  readonly unnoticed: Set<() => void>;
}

/** Starts a relay to `target`. */
export async function startTcpRelay(target: RelayTarget): Promise<TcpRelay> {
  const weather: Weather = { delayMs: 0, dropping: false, unnoticed: new Set() };
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ host: target.host, port: target.port, allowHalfOpen: true, noDelay: true });
    for (const [here, there] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(here);
      pass(here, there, weather);
      here.on("error", () => undefined);
      here.on("close", () => {
        sockets.delete(here);
        if (here.errored) notice(weather, () => there.resetAndDestroy());
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  const cut = (): void => {
    weather.unnoticed.clear();
    for (const socket of sockets) socket.destroy();
  };
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= new Promise((resolve) => {
      server.close(() => resolve());
      cut();
    });
    return stopping;
  };
  return {
    port,
    url: `${target.scheme ?? "nats"}://127.0.0.1:${port}`,
    delay: (ms) => void (weather.delayMs = ms),
    drop(on) {
      weather.dropping = on;
      if (on) return;
      for (const tell of weather.unnoticed) tell();
      weather.unnoticed.clear();
    },
    cut,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Carries one direction. A chain of promises keeps the order when the delay changes on the way. */
function pass(from: Socket, to: Socket, weather: Weather): void {
  let carried = Promise.resolve();
  let held = 0;
  const carry = (deliver: () => void): void => {
    const late = weather.delayMs > 0 ? sleep(weather.delayMs, undefined, { ref: false }) : undefined;
    carried = carried.then(async () => {
      await late;
      deliver();
    });
  };
  from.on("data", (chunk: Buffer) => {
    if (weather.dropping) return;
    held += chunk.length;
    if (held > HELD_LIMIT) from.pause();
    carry(() => {
      const taken = (): void => {
        held -= chunk.length;
        if (held <= HELD_LIMIT) from.resume();
      };
      if (to.writable && !weather.dropping) to.write(chunk, taken);
      else taken();
    });
  });
  from.on("end", () => notice(weather, () => carry(() => to.end())));
}

function notice(weather: Weather, tell: () => void): void {
  if (weather.dropping) weather.unnoticed.add(tell);
  else tell();
}
