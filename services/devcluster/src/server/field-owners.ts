/** Who writes, and what the object is told about it. */
import { badRequest } from "../api/errors.ts";
import type { WriteOptions } from "../api/request-api.ts";
import type { Exchange } from "./exchange.ts";
import { storedKind } from "./old-ingress.ts";
import type { ServerParts } from "./parts.ts";
import type { ResourceRoute } from "./route.ts";

/** Longest name of a manager, in characters: Kubernetes' bound. */
export const maxManagerLength = 128;

/** The `fieldManager` parameter, else the first word of the client's User-Agent. Throws BadRequest. */
export function managerOf(exchange: Exchange): string {
  const given = exchange.query.get("fieldManager") ?? "";
  if (given.length > maxManagerLength || /[^\x20-\x7e]/.test(given)) {
    throw badRequest(`fieldManager must be at most ${maxManagerLength} printable characters`);
  }
  const [agent = ""] = (exchange.request.headers["user-agent"] ?? "").split("/");
  return given || agent.slice(0, maxManagerLength) || "unknown";
}

/** Notes the writer as the owner of what the write changes. */
export function ownersOf(
  exchange: Exchange,
  { names, subresource = "" }: ResourceRoute,
  { ownership, clock }: ServerParts,
): NonNullable<WriteOptions["owners"]> {
  const manager = managerOf(exchange);
  const gvk = storedKind(names);
  return (before, after) => ownership.trackWrite({ gvk, before, after, manager, subresource, now: clock.now() });
}
