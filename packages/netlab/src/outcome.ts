/** What became of asking at an address. */
import type { IpAddress } from "@fairlead/types";

/** See the module. */
export type Outcome =
  | {
      readonly kind: "answered";
      /** Name of the server. */
      readonly by: string;
      /** The client's address, as the server saw it. */
      readonly source: IpAddress;
    }
  | {
      /**
       * `refused`: a reset in answer to the first packet, or ICMP's port unreachable. `reset`: the connection broke off before the server had
       * said who it is. `unreachable`: another of ICMP's answers. `dropped`: no answer within the client's patience.
       */
      readonly kind: "refused" | "dropped" | "reset" | "unreachable";
    };

/** In words: `a sees 10.244.1.1`, or what else happened. */
export function outcomeText(outcome: Outcome): string {
  return outcome.kind === "answered" ? `${outcome.by} sees ${outcome.source}` : outcome.kind;
}

/** What an error of the system means for whoever asked; undefined if it is none of them. */
export function outcomeOfError(error: unknown): Outcome | undefined {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ECONNREFUSED":
      return { kind: "refused" };
    case "ECONNRESET":
    case "EPIPE":
      return { kind: "reset" };
    case "ENETUNREACH":
    case "EHOSTUNREACH":
    case "EACCES":
    case "EPERM":
      return { kind: "unreachable" };
    case "ETIMEDOUT":
      return { kind: "dropped" };
    default:
      return undefined;
  }
}
