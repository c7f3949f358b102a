/** The path that routes are matched against: what a backend would make of the request target, so that no spelling leads round a rule. */

/** Escapes that stand for characters which need none (RFC 3986, 2.3): equal to the plain character. */
const unreserved = /%(?:2[dDeE]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|7[eE])/g;
const simple = /^\/(?:[^%./\\]+(?:\.[^%./\\]+)*\/?)*$/;

/**
 * Path of a request target (which begins with `/`), without query, with unneeded escapes undone, slashes merged and dot segments
 * resolved (RFC 3986, 6.2.2). `undefined` where it leads above the root or holds an escape that is none.
 */
export function requestPath(target: string): string | undefined {
  const query = target.indexOf("?");
  const raw = query === -1 ? target : target.slice(0, query);
  if (raw.length < 256 && simple.test(raw)) return raw;
  if (/%(?![0-9a-fA-F]{2})|%00/.test(raw)) return undefined;
  const decoded = raw.replaceAll(unreserved, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16)));
  const kept: string[] = [];
  const parts = decoded.split("/");
  for (const part of parts) {
    if (part === "..") {
      if (kept.pop() === undefined) return undefined;
    } else if (part !== "" && part !== ".") kept.push(part);
  }
  const last = parts.at(-1);
  const slash = kept.length > 0 && (last === "" || last === "." || last === "..") ? "/" : "";
  return `/${kept.join("/")}${slash}`;
}
