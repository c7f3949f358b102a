/** Where the stack's ingress listens: which ports of this machine it can have. */
import { CodedError } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import { apiAddress } from "../options/address-plan.ts";
import type { DevOptions } from "../options/dev-options.ts";
import { isForeseen, whyNot } from "./port-problem.ts";
import { tryTcpPort } from "./tcp-port.ts";

/** The usual ones of a machine without privileges. */
const usualPorts = { http: 8080, https: 8443 } as const;

/** Address and ports of the ingress. */
export interface IngressPlace {
  readonly address: IpAddress;
  readonly http: number;
  readonly https: number;
  /** What a person should know about the ports, where they are not the usual ones. */
  readonly notices: readonly string[];
}

/** Thrown when the ingress cannot have a port that was asked for. */
export class IngressPortUnusableError extends CodedError {
  readonly code = "INGRESS_PORT_UNUSABLE";

  constructor(flag: string, message: string, options?: ErrorOptions) {
    super(`${message}; ${flag} takes another one`, options);
    this.name = "IngressPortUnusableError";
  }
}

/** The ports as they were asked for (0: a free one), and without a wish the usual ones, or free ones where those are taken. */
export async function findIngressPlace(wish: Pick<DevOptions, "httpPort" | "httpsPort">): Promise<IngressPlace> {
  const http = await findPort("http", wish.httpPort);
  const https = await findPort("https", wish.httpsPort);
  return {
    address: apiAddress,
    http: http.port,
    https: https.port,
    notices: [http.notice, https.notice].filter((notice) => notice !== undefined),
  };
}

async function findPort(door: "http" | "https", wish: number | undefined): Promise<{ port: number; notice?: string }> {
  const usual = usualPorts[door];
  try {
    return { port: await tryTcpPort(apiAddress, wish ?? usual) };
  } catch (error) {
    const reason = whyNot(error, `${apiAddress}:${wish ?? usual}`);
    if (wish !== undefined || !isForeseen(error)) {
      throw new IngressPortUnusableError(`--${door}-port`, reason, { cause: error });
    }
    const port = await tryTcpPort(apiAddress, 0);
    return { port, notice: `${reason}: the ingress listens at port ${port} for ${door} instead` };
  }
}
