/** GET of a container's log. */
import { badRequest } from "../api/errors.ts";
import { drained } from "./drained.ts";
import type { Exchange } from "./exchange.ts";
import type { PodLogRequest, ServerParts } from "./parts.ts";
import type { ResourceRoute } from "./route.ts";

/** Answers GET …/pods/NAME/log; settles when the log or the client ends. */
export async function sendLog(exchange: Exchange, route: ResourceRoute, { podLog }: ServerParts): Promise<void> {
  const { response } = exchange;
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const log = podLog(requestOf(exchange, route, gone.signal));
  exchange.head(200, "text/plain; charset=utf-8");
  response.flushHeaders();
  for await (const piece of log) {
    if (response.destroyed) return;
    if (!response.write(piece)) await drained(response);
  }
  response.end();
}

function requestOf(
  exchange: Exchange,
  { namespace = "", name = "" }: ResourceRoute,
  signal: AbortSignal,
): PodLogRequest {
  for (const parameter of ["sinceTime", "sinceSeconds", "timestamps"]) {
    // The lines carry no time: no answer is better than a wrong one.
    if (exchange.flag(parameter))
      throw badRequest(`${parameter} is not served: log lines are kept as they were written`);
  }
  const container = exchange.query.get("container") ?? "";
  const tailLines = exchange.count("tailLines");
  const limitBytes = exchange.count("limitBytes");
  return {
    namespace,
    name,
    ...(container === "" ? {} : { container }),
    previous: exchange.flag("previous"),
    follow: exchange.flag("follow"),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    signal,
  };
}
