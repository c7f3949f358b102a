/** What a failed bind means, in words that say what to do. */
import type { PlaneProblem } from "../plane.ts";
import type { Frontend, ServicePortEntry } from "../plan/entry.ts";

/** Lowest port that any process may bind, unless the machine's `net.ipv4.ip_unprivileged_port_start` says otherwise. */
const FIRST_UNPRIVILEGED_PORT = 1024;

/** Turns the error of a bind into a problem for the Service's Events. */
export function bindProblem(entry: ServicePortEntry, frontend: Frontend, error: NodeJS.ErrnoException): PlaneProblem {
  const address = frontend.address.includes(":") ? `[${frontend.address}]` : frontend.address;
  const at = `${address}:${frontend.port}/${entry.protocol}`;
  switch (error.code) {
    case "EACCES":
    case "EPERM":
      return {
        reason: "FailedToBindPort",
        message:
          frontend.port < FIRST_UNPRIVILEGED_PORT
            ? `${at} cannot be served: ports below ${FIRST_UNPRIVILEGED_PORT} need a privilege that this proxy lacks. ` +
              `Choose a port of ${FIRST_UNPRIVILEGED_PORT} or above, run the proxy as root, lower the limit with ` +
              `'sysctl -w net.ipv4.ip_unprivileged_port_start=${frontend.port}', or give its program the capability with ` +
              `'setcap cap_net_bind_service=+ep'.`
            : `${at} cannot be served: the system does not let this proxy bind it. Run the proxy as root or choose another port.`,
      };
    case "EADDRNOTAVAIL":
      return {
        reason: "FailedToBindAddress",
        message:
          `${at} cannot be served: ${address} is not an address of this machine, and the userspace plane listens on the ` +
          `address itself. Add it (for example 'ip address add ${frontend.address} dev lo') or take it out of the Service.`,
      };
    case "EADDRINUSE":
      return {
        reason: "FailedToBindPort",
        message: `${at} cannot be served: another process listens there. Stop it, or choose another port for the Service.`,
      };
    default:
      return { reason: "FailedToBindPort", message: `${at} cannot be served: ${error.message}.` };
  }
}
