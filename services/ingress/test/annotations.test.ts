/** Every annotation has values that are taken and values that are refused; numbers are those of the list of what is to be compatible. */
import { describe, expect, test } from "vitest";
import type { RoutePolicy } from "../src/annotations/policy.ts";
import { harmlessAnnotations, knownAnnotations, readAnnotations } from "../src/annotations/read-annotations.ts";

const prefix = "nginx.ingress.kubernetes.io/";

function policyOf(annotations: Readonly<Record<string, string>>): RoutePolicy {
  const named = Object.entries(annotations).map(([name, value]) => [name.includes("/") ? name : prefix + name, value]);
  return readAnnotations(Object.fromEntries(named)).policy;
}

type Row = {
  readonly taken: readonly (readonly [value: string, policy: object, beside?: Readonly<Record<string, string>>])[];
  readonly refused: readonly string[];
};

const notFlags = ["", "yes", "1", "True", "true "];
const notWhole = ["", "-1", "1.5", "5s", "0x10", "1e3", " 5", "9999999999999"];
const canary = { canary: "true" };
const sticky = { affinity: "cookie" };
const cors = { "enable-cors": "true" };

const rows: Readonly<Record<string, Row>> = {
  // 1, 2
  "ssl-redirect": {
    taken: [
      ["false", { redirect: { ssl: false } }],
      ["true", { redirect: { ssl: true } }],
    ],
    refused: notFlags,
  },
  "force-ssl-redirect": { taken: [["true", { redirect: { forceSsl: true } }]], refused: notFlags },
  // 3, 4
  "rewrite-target": {
    taken: [
      ["/", { rewriteTarget: "/", useRegex: true }],
      ["/x/$1/%20?a=$2", { rewriteTarget: "/x/$1/%20?a=$2" }],
    ],
    refused: ["", "x", "/$0", "/$host", "/a b", "/a;b{", "/%zz", "http://example.org/", "/a\nb", "/a\r\nX: y", '/"'],
  },
  "use-regex": { taken: [["true", { useRegex: true }]], refused: notFlags },
  // 5
  "app-root": {
    taken: [["/app?x=1", { redirect: { appRoot: "/app?x=1" } }]],
    refused: ["", "app", "https://example.org/", "/a b", "/a\r\nX: y", "/$host"],
  },
  // 6
  "proxy-body-size": {
    taken: [
      ["8m", { maxBodyBytes: 8 * 1024 * 1024 }],
      ["0", { maxBodyBytes: 0 }],
      ["1K", { maxBodyBytes: 1024 }],
      ["2g", { maxBodyBytes: 2 * 1024 ** 3 }],
    ],
    refused: ["", "-1", "8 MB", "8mb", "1.5m", "m"],
  },
  // 7 to 9
  "proxy-connect-timeout": { taken: [["7", { connectTimeoutMs: 7000 }]], refused: [...notWhole, "0", "86401"] },
  "proxy-read-timeout": { taken: [["7", { readTimeoutMs: 7000 }]], refused: [...notWhole, "0", "86401"] },
  "proxy-send-timeout": { taken: [["7", { sendTimeoutMs: 7000 }]], refused: [...notWhole, "0", "86401"] },
  // 10
  "proxy-next-upstream": {
    taken: [
      ["off", { retry: { on: new Set() } }],
      ["error http_503 non_idempotent", { retry: { on: new Set(["error", "http_503", "non_idempotent"]) } }],
      ["invalid_header", { retry: { on: new Set(["error"]) } }],
    ],
    refused: ["", "off error", "http_418", "error;", "error,timeout"],
  },
  "proxy-next-upstream-tries": { taken: [["0", { retry: { tries: 0 } }]], refused: [...notWhole, "101"] },
  "proxy-next-upstream-timeout": { taken: [["9", { retry: { timeoutMs: 9000 } }]], refused: [...notWhole, "86401"] },
  // 12
  "backend-protocol": {
    taken: [
      ["HTTP", { protocol: "HTTP" }],
      ["HTTPS", { protocol: "HTTPS" }],
    ],
    refused: ["", "https", "GRPC", "GRPCS", "FCGI", "AUTO_HTTP"],
  },
  // 13, 14
  affinity: { taken: [["cookie", { affinity: { mode: "balanced", cookie: "INGRESSCOOKIE" } }]], refused: ["", "ip"] },
  "affinity-mode": {
    taken: [
      ["persistent", { affinity: { mode: "persistent" } }, sticky],
      ["balanced", { affinity: { mode: "balanced" } }, sticky],
    ],
    refused: ["", "sticky"],
  },
  // 16
  "session-cookie-name": {
    taken: [["route", { affinity: { cookie: "route" } }, sticky]],
    refused: ["", "a b", "a;b", "a=b", "é", "a\r\nb"],
  },
  "session-cookie-path": {
    taken: [["/app", { affinity: { path: "/app" } }, sticky]],
    refused: ["", "app", "/;Domain=x", "/a b"],
  },
  "session-cookie-domain": {
    taken: [[".example.org", { affinity: { domain: ".example.org" } }, sticky]],
    refused: ["", "a;b", "example.org; Secure", "-"],
  },
  "session-cookie-expires": { taken: [["60", { affinity: { expires: 60 } }, sticky]], refused: notWhole },
  "session-cookie-max-age": { taken: [["60", { affinity: { maxAge: 60 } }, sticky]], refused: notWhole },
  "session-cookie-samesite": {
    taken: [["Lax", { affinity: { sameSite: "Lax" } }, sticky]],
    refused: ["", "none", "Lax;"],
  },
  "session-cookie-secure": { taken: [["false", { affinity: { secure: false } }, sticky]], refused: notFlags },
  "session-cookie-conditional-samesite-none": {
    taken: [["true", { affinity: { conditionalSameSiteNone: true } }, sticky]],
    refused: notFlags,
  },
  "session-cookie-change-on-failure": {
    taken: [["true", { affinity: { changeOnFailure: true } }, sticky]],
    refused: notFlags,
  },
  // 18
  "load-balance": {
    taken: [
      ["round_robin", { scheduler: "rr" }],
      ["ewma", { scheduler: "p2c" }],
    ],
    refused: ["", "ip_hash", "least_conn"],
  },
  // 19
  "upstream-vhost": {
    taken: [["api.example.org:8080", { upstreamHost: "api.example.org:8080" }]],
    refused: ["", "$host", "a b", "a\r\nb", "a/b", "-a"],
  },
  // 20
  canary: { taken: [["true", { canary: { weight: 0, weightTotal: 100 } }]], refused: notFlags },
  "canary-by-header": {
    taken: [["X-Canary", { canary: { header: "x-canary" } }, canary]],
    refused: ["", "a b", "a:b", "a\nb"],
  },
  "canary-by-header-value": {
    taken: [["eu west", { canary: { headerValue: "eu west" } }, canary]],
    refused: ["", " a", "a ", "a\nb", "é"],
  },
  "canary-by-header-pattern": {
    taken: [["eu-[a-z]+", { canary: { headerPattern: /(?:eu-[a-z]+)/ } }, canary]],
    refused: ["(a+)+", "(?=x)", "(", "a".repeat(600)],
  },
  "canary-by-cookie": { taken: [["beta", { canary: { cookie: "beta" } }, canary]], refused: ["", "a=b", "a;b"] },
  "canary-weight": { taken: [["20", { canary: { weight: 20 } }, canary]], refused: [...notWhole, "101"] },
  "canary-weight-total": {
    taken: [["1000", { canary: { weight: 500, weightTotal: 1000 } }, { ...canary, "canary-weight": "500" }]],
    refused: [...notWhole, "0", "1000001"],
  },
  // 24
  "whitelist-source-range": {
    taken: [["10.0.0.0/8, 192.0.2.7,2001:db8::/32", { allow: ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"] }]],
    refused: ["", "10.0.0.1/8", "10.0.0.0/33", "example.org", "10.0.0.0/8;", "10.0.0.0/8,"],
  },
  "allowlist-source-range": { taken: [["10.0.0.0/8", { allow: ["10.0.0.0/8"] }]], refused: ["", "10.0.0.1/8", "all"] },
  "denylist-source-range": { taken: [["::1", { deny: ["::1/128"] }]], refused: ["", "10.0.0.1/8", "all"] },
  // 26
  "enable-cors": {
    taken: [["true", { cors: { origins: ["*"], credentials: true, maxAge: 1_728_000 } }]],
    refused: notFlags,
  },
  "cors-allow-origin": {
    taken: [
      [
        "https://a.example.org:8443, http://*.example.com",
        {
          cors: { origins: ["https://a.example.org:8443", "http://*.example.com"] },
        },
        cors,
      ],
    ],
    refused: ["", "a.example.org", "https://a.example.org/", "https://a\r\nX: y", "javascript:x"],
  },
  "cors-allow-methods": {
    taken: [["GET, PUT", { cors: { methods: "GET, PUT" } }, cors]],
    refused: ["", "GET\nX", "GET;PUT"],
  },
  "cors-allow-headers": {
    taken: [["X-One,X-Two", { cors: { headers: "X-One,X-Two" } }, cors]],
    refused: ["", "X One", "X-One\r\n"],
  },
  "cors-allow-credentials": { taken: [["false", { cors: { credentials: false } }, cors]], refused: notFlags },
  "cors-expose-headers": {
    taken: [["*", { cors: { exposeHeaders: "*" } }, cors]],
    refused: ["", "X One", "X-One\r\n"],
  },
  "cors-max-age": { taken: [["600", { cors: { maxAge: 600 } }, cors]], refused: [...notWhole, "1h"] },
  // 27
  "permanent-redirect": {
    taken: [["https://example.org/a?b", { redirect: { to: { url: "https://example.org/a?b", code: 301 } } }]],
    refused: [
      "",
      "/a",
      "ftp://example.org/",
      "https://user@example.org/",
      "https://a/\r\nX: y",
      "https://a/ b",
      "https://a$request_uri",
      "https://a/$request_uri",
    ],
  },
  "permanent-redirect-code": {
    taken: [["308", { redirect: { to: { code: 308 } } }, { "permanent-redirect": "https://example.org/" }]],
    refused: [...notWhole, "200", "304", "400"],
  },
  "temporal-redirect": {
    taken: [["https://example.org/", { redirect: { to: { url: "https://example.org/", code: 302 } } }]],
    refused: ["", "/a", "javascript:alert(1)", "https://a/$uri"],
  },
  "temporal-redirect-code": {
    taken: [["307", { redirect: { to: { code: 307 } } }, { "temporal-redirect": "https://example.org/" }]],
    refused: [...notWhole, "200", "304", "400"],
  },
  "from-to-www-redirect": { taken: [["true", { redirect: { wwwRedirect: true } }]], refused: notFlags },
};

describe("an annotation", () => {
  test("has a row here, whichever it is", () => {
    expect(Object.keys(rows).sort()).toEqual([...knownAnnotations].sort());
  });

  const taken = Object.entries(rows).flatMap(([name, row]) =>
    row.taken.map(([value, policy, beside = {}]) => ({ name, value, policy, beside })),
  );
  test.each(taken)("$name: $value is taken", ({ name, value, policy, beside }) => {
    expect(policyOf({ ...beside, [name]: value })).toMatchObject(policy);
  });

  const refused = Object.entries(rows).flatMap(([name, row]) => row.refused.map((value) => [name, value] as const));
  test.each(refused)("%s: %j is refused by name", (name, value) => {
    expect(() => policyOf({ [name]: value })).toThrow(
      expect.objectContaining({ code: "INGRESS_ANNOTATION", annotation: prefix + name }),
    );
  });

  test.each(["affinity-mode", "canary-weight", "cors-max-age"])(
    "%s has no effect where its group is not asked for",
    (name) => {
      const value = rows[name]?.taken[0]?.[0] ?? "";
      expect(policyOf({ [name]: value })).toEqual(policyOf({}));
    },
  );

  test.each(["configuration-snippet", "server-snippet", "auth-snippet", "stream-snippet", "modsecurity-snippet"])(
    "%s is refused whatever it says",
    (name) => {
      expect(() => policyOf({ [name]: "" })).toThrow(/snippets are never accepted/);
    },
  );

  test.each([
    "auth-url",
    "auth-type",
    "auth-tls-secret",
    "limit-rps",
    "mirror-target",
    "custom-http-errors",
    "no-such",
  ])("%s, which would change what is served, is refused", (name) => {
    expect(() => policyOf({ [name]: "x" })).toThrow(/is not supported/);
  });

  test.each([...harmlessAnnotations])("%s is passed over and told", (name) => {
    expect(readAnnotations({ [prefix + name]: "anything; at all" }).ignored).toEqual([prefix + name]);
  });

  test("longer than may be is refused", () => {
    expect(() => policyOf({ "proxy-next-upstream": "error ".repeat(1000) })).toThrow(/longer than/);
  });

  test("of another prefix says nothing here, but our own scheduler does", () => {
    expect(policyOf({ "example.org/ssl-redirect": "nonsense" })).toEqual(policyOf({}));
    expect(policyOf({ "fairlead.dev/scheduler": "lc", "load-balance": "ewma" })).toMatchObject({ scheduler: "lc" });
    expect(() => policyOf({ "fairlead.dev/scheduler": "best" })).toThrow(/fairlead\.dev\/scheduler/);
  });
});
