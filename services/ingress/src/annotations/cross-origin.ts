/** enable-cors, cors-allow-origin, -methods, -headers, -credentials, cors-expose-headers, cors-max-age. */
import type { AnnotationReader } from "./annotation-reader.ts";
import { given } from "./annotation-reader.ts";
import type { CorsPolicy } from "./policy.ts";

const origins =
  /^(?:\*|https?:\/\/(?:\*\.)?[A-Za-z0-9.-]{1,253}(?::\d{1,5})?)(?: *, *https?:\/\/(?:\*\.)?[A-Za-z0-9.-]{1,253}(?::\d{1,5})?){0,63}$/;
const tokens = /^(?:\*|[A-Za-z0-9-]{1,64}(?: *, *[A-Za-z0-9-]{1,64}){0,63})$/;
const usualHeaders =
  "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization";

/** Reads the group; undefined where it is not enabled. */
export function readCors(read: AnnotationReader): CorsPolicy | undefined {
  const policy: CorsPolicy = {
    origins: (read.matching("cors-allow-origin", origins, "* or a list of origins") ?? "*").split(/ *, */),
    methods:
      read.matching("cors-allow-methods", tokens, "a list of methods") ?? "GET, PUT, POST, DELETE, PATCH, OPTIONS",
    headers: read.matching("cors-allow-headers", tokens, "a list of header names") ?? usualHeaders,
    credentials: read.flag("cors-allow-credentials") ?? true,
    maxAge: read.whole("cors-max-age", 0, 31_536_000) ?? 1_728_000,
    ...given("exposeHeaders", read.matching("cors-expose-headers", tokens, "a list of header names")),
  };
  return read.flag("enable-cors") === true ? policy : undefined;
}
