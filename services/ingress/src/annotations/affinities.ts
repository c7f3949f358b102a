/** affinity, affinity-mode, session-cookie-*. */
import type { AnnotationReader } from "./annotation-reader.ts";
import { given } from "./annotation-reader.ts";
import type { AffinityPolicy } from "./policy.ts";

const cookieName = /^[A-Za-z0-9_.-]{1,64}$/;
const pathText = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@%/]{0,255}$/;
const domainText = /^\.?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
const tenYears = 315_360_000;

/** Reads the group; undefined where no affinity is asked for. */
export function readAffinity(read: AnnotationReader): AffinityPolicy | undefined {
  const policy: AffinityPolicy = {
    mode: read.choice("affinity-mode", ["balanced", "persistent"]) ?? "balanced",
    cookie: read.matching("session-cookie-name", cookieName, "a cookie name") ?? "INGRESSCOOKIE",
    conditionalSameSiteNone: read.flag("session-cookie-conditional-samesite-none") ?? false,
    changeOnFailure: read.flag("session-cookie-change-on-failure") ?? false,
    ...given("path", read.matching("session-cookie-path", pathText, "a path")),
    ...given("domain", read.matching("session-cookie-domain", domainText, "a domain")),
    ...given("expires", read.whole("session-cookie-expires", 0, tenYears)),
    ...given("maxAge", read.whole("session-cookie-max-age", 0, tenYears)),
    ...given("sameSite", read.choice("session-cookie-samesite", ["None", "Lax", "Strict"])),
    ...given("secure", read.flag("session-cookie-secure")),
  };
  return read.choice("affinity", ["cookie"]) === undefined ? undefined : policy;
}
