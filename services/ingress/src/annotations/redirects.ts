/** ssl-redirect, force-ssl-redirect, app-root, permanent-redirect, temporal-redirect, from-to-www-redirect. */
import type { AnnotationReader } from "./annotation-reader.ts";
import { given, show } from "./annotation-reader.ts";
import type { RedirectPolicy } from "./policy.ts";

/** Without the dollar sign: ingress-nginx takes it for a variable, and a browser led to `$request_uri` itself helps nobody. */
const pathText = /^\/[A-Za-z0-9\-._~!&'()*+,;=:@%/?#]{0,1023}$/;
const permanentCodes = [301, 302, 303, 307, 308];

/** Reads the group. */
export function readRedirects(read: AnnotationReader): RedirectPolicy {
  const to =
    destination(read, "temporal-redirect", "temporal-redirect-code", 302) ??
    destination(read, "permanent-redirect", "permanent-redirect-code", 301);
  return {
    forceSsl: read.flag("force-ssl-redirect") ?? false,
    wwwRedirect: read.flag("from-to-www-redirect") ?? false,
    ...given("ssl", read.flag("ssl-redirect")),
    ...given("appRoot", read.matching("app-root", pathText, "a path")),
    ...given("to", to),
  };
}

function destination(
  read: AnnotationReader,
  name: string,
  codeName: string,
  usual: number,
): { url: string; code: number } | undefined {
  const value = read.raw(name);
  const code = read.whole(codeName, 301, 308) ?? usual;
  if (!permanentCodes.includes(code)) read.refuse(codeName, `must be one of ${permanentCodes.join(", ")}, not ${code}`);
  if (value === undefined) return undefined;
  const url = URL.parse(value);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || !/^[\x21-\x7e]+$/.test(value)) {
    return read.refuse(name, `must be an http or https URL, not ${show(value)}`);
  }
  if (value.includes("$")) read.refuse(name, `may hold no variables, nor any other $: ${show(value)}`);
  return { url: value, code };
}
