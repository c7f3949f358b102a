/** proxy-next-upstream, proxy-next-upstream-tries, proxy-next-upstream-timeout. */
import type { AnnotationReader } from "./annotation-reader.ts";
import { show } from "./annotation-reader.ts";
import { defaultRetry } from "./policy.ts";
import type { RetryCondition, RetryPolicy } from "./policy.ts";

const conditions: readonly RetryCondition[] = [
  "error",
  "timeout",
  "http_500",
  "http_502",
  "http_503",
  "http_504",
  "http_403",
  "http_404",
  "http_429",
  "non_idempotent",
];

/** Reads the group. */
export function readRetries(read: AnnotationReader): RetryPolicy {
  const name = "proxy-next-upstream";
  const value = read.raw(name);
  const words = value?.split(" ").filter((word) => word !== "");
  const on = new Set<RetryCondition>(words === undefined ? defaultRetry.on : []);
  if (words !== undefined && !(words.length === 1 && words[0] === "off")) {
    if (words.length === 0) read.refuse(name, "must not be empty");
    for (const word of words) {
      const known = conditions.find((one) => one === word);
      // What we cannot make sense of, nginx's invalid_header, ends as an error here.
      if (known !== undefined) on.add(known);
      else if (word === "invalid_header") on.add("error");
      else read.refuse(name, `must be "off" or some of ${conditions.join(" ")}, not ${show(word)}`);
    }
  }
  return {
    on,
    tries: read.whole("proxy-next-upstream-tries", 0, 100) ?? defaultRetry.tries,
    timeoutMs: (read.whole("proxy-next-upstream-timeout", 0, 86_400) ?? 0) * 1000,
  };
}
