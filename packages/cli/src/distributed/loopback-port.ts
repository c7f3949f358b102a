/** Ports that are told to two parties before either listens. */
import { randomInt } from "node:crypto";
import { apiAddress } from "../options/address-plan.ts";
import { tryTcpPort } from "../stack/tcp-port.ts";

/** Below the range from which the kernel takes ports for outgoing connections, which could take one in the meantime. */
const lowest = 20_000;
const highest = 29_999;
/** Ports that are tried. */
const attempts = 100;

/** A port of 127.0.0.1 that nobody listens at, and that is not in `taken`. */
export async function freeLoopbackPort(taken: ReadonlySet<number>): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(lowest, highest + 1);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new Error(`no port of ${apiAddress} from ${lowest} to ${highest} is free`);
}

async function isFree(port: number): Promise<boolean> {
  return await tryTcpPort(apiAddress, port).then(
    () => true,
    () => false,
  );
}
