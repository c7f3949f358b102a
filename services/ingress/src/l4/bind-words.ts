/** What a failed bind means, in words that say what to do. */
import type { PortMapping } from "./port-map.ts";

/** Says why a port is not served. */
export function bindWords(
  { port, protocol }: Pick<PortMapping, "port" | "protocol">,
  address: string,
  error: NodeJS.ErrnoException,
): string {
  const at = `port ${port}/${protocol} at ${address}`;
  switch (error.code) {
    case "EACCES":
    case "EPERM":
      return `${at} needs a privilege that the ingress lacks: choose a port of 1024 or above, or run it with CAP_NET_BIND_SERVICE`;
    case "EADDRINUSE":
      return `${at} is in use by another process: stop it, or choose another port`;
    case "EADDRNOTAVAIL":
      return `${at}: that is not an address of this machine`;
    default:
      return `${at} cannot be served: ${error.message}`;
  }
}
