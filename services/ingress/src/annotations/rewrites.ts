/** rewrite-target, use-regex, upstream-vhost. */
import type { AnnotationReader } from "./annotation-reader.ts";
import { given } from "./annotation-reader.ts";

/** `$1` to `$9` stand for what the path's groups matched; no other variable exists. */
const target =
  /^\/(?:[A-Za-z0-9\-._~!&'()*+,;=:@/]|%[0-9A-Fa-f]{2}|\$[1-9]){0,1023}(?:\?(?:[A-Za-z0-9\-._~!&'()*+,;=:@/?]|%[0-9A-Fa-f]{2}|\$[1-9]){0,1023})?$/;
const hostText = /^(?=.{1,260}$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?$/;

/** Reads the group. A rewrite makes paths regular expressions, as in ingress-nginx; unlike there, only those of its own Ingress. */
export function readRewrites(read: AnnotationReader): {
  rewriteTarget?: string;
  useRegex: boolean;
  upstreamHost?: string;
} {
  const rewriteTarget = read.matching("rewrite-target", target, "a path, with $1 to $9 for groups");
  const useRegex = read.flag("use-regex") ?? false;
  return {
    useRegex: useRegex || rewriteTarget !== undefined,
    ...given("rewriteTarget", rewriteTarget),
    ...given("upstreamHost", read.matching("upstream-vhost", hostText, "a host name")),
  };
}
