import { describe, expect, test } from "vitest";
import { planRoutes } from "../src/plan/planner.ts";
import type { RoutePlan } from "../src/plan/planner.ts";
import { pathPattern } from "../src/plan/path-pattern.ts";
import { requestPath } from "../src/plan/request-path.ts";
import { ingress, ingressClass } from "./support/ingress-objects.ts";

const who = { ingressClass: "fairlead", controllerName: "fairlead.dev/ingress" };
type Given = Parameters<typeof planRoutes>[0];

function plan(...ingresses: Given["ingresses"]): RoutePlan {
  return planRoutes({ ...who, ingresses, classes: [ingressClass()] });
}

function backendOf(made: RoutePlan, host: string, path: string): string | undefined {
  return made.table.match(host, path)?.route.backend.service;
}

describe("paths", () => {
  const cases: [type: string, rule: string, path: string, matches: boolean][] = [
    ["Exact", "/foo", "/foo", true],
    ["Exact", "/foo", "/foo/", false],
    ["Exact", "/foo", "/FOO", false],
    ["Exact", "/foo/", "/foo", false],
    ["Prefix", "/", "/anything/at/all", true],
    ["Prefix", "/foo", "/foo", true],
    ["Prefix", "/foo", "/foo/", true],
    ["Prefix", "/foo/", "/foo", true],
    ["Prefix", "/foo/", "/foo/", true],
    ["Prefix", "/aaa/bb", "/aaa/bbb", false],
    ["Prefix", "/aaa/bbb", "/aaa/bbb", true],
    ["Prefix", "/aaa/bbb/", "/aaa/bbb", true],
    ["Prefix", "/aaa/bbb", "/aaa/bbb/", true],
    ["Prefix", "/aaa/bbb", "/aaa/bbb/ccc", true],
    ["Prefix", "/aaa/bbb", "/aaa/bbbxyz", false],
    ["Prefix", "/foo", "/FOO", false],
    ["ImplementationSpecific", "/foo", "/foo/bar", true],
  ];
  test.each(cases)("%s %s for %s: %s", (type, path, asked, matches) => {
    const made = plan(ingress("web", { "a.example.org": [{ path, type }] }));
    expect(backendOf(made, "a.example.org", asked)).toBe(matches ? "web" : undefined);
  });

  test("the longest wins, and Exact before Prefix", () => {
    const made = plan(
      ingress("web", {
        "a.example.org": [
          { path: "/", service: "root" },
          { path: "/foo", service: "prefix" },
          { path: "/foo", type: "Exact", service: "exact" },
          { path: "/foo/bar", service: "longer" },
          { path: "/foo", type: "ImplementationSpecific", service: "specific" },
        ],
      }),
    );
    const asked = ["/", "/x", "/foo", "/foo/", "/foo/x", "/foo/bar/x"];
    expect(asked.map((path) => backendOf(made, "a.example.org", path))).toEqual([
      "root",
      "root",
      "exact",
      "prefix",
      "prefix",
      "longer",
    ]);
  });

  test.each([
    ["/a//b", "/a/b"],
    ["/a/./b/../c", "/a/c"],
    ["/%61dmin", "/admin"],
    ["/a/%2e%2e/b", "/b"],
    ["/a%2Fb", "/a%2Fb"],
    ["/a/?x=/../y", "/a/"],
    ["/a/..", "/"],
    ["/../a", undefined],
    ["/%zz", undefined],
    ["/a%00", undefined],
  ])("the target %s is matched as %s", (target, path) => {
    expect(requestPath(target)).toBe(path);
  });
});

describe("hosts", () => {
  test("exact before wildcard before all; a wildcard stands for one label", () => {
    const made = plan(
      ingress("web", {
        "foo.example.org": [{ path: "/", service: "exact" }],
        "*.example.org": [{ path: "/", service: "wildcard" }],
        "": [{ path: "/", service: "all" }],
      }),
    );
    const hosts = ["foo.example.org", "bar.example.org", "a.b.example.org", "example.org", "other.test"];
    expect(hosts.map((host) => backendOf(made, host, "/"))).toEqual(["exact", "wildcard", "all", "all", "all"]);
  });

  test("defaults count where no rule matches: the host's own before the one for all", () => {
    const made = plan(
      ingress("web", { "foo.example.org": [{ path: "/x" }] }, { defaultService: "own", age: 2 }),
      ingress("fallback", {}, { defaultService: "fallback", age: 1 }),
    );
    expect(backendOf(made, "foo.example.org", "/x")).toBe("web");
    expect(backendOf(made, "foo.example.org", "/y")).toBe("own");
    expect(backendOf(made, "bar.example.org", "/y")).toBe("fallback");
  });

  test.each(["10.0.0.1", "*", "*.*.example.org", "a.example.org:80", "under_score.example.org"])(
    "the host %s is refused",
    (host) => {
      const made = plan(ingress("web", { [host]: [{ path: "/" }] }));
      expect(made.accepted).toEqual([]);
      expect(made.problems[0]).toMatchObject({
        reason: "Rejected",
        message: expect.stringContaining("spec.rules[0].host"),
      });
    },
  );
});

describe("conflicts and classes", () => {
  test("the older Ingress keeps a path; the newer is told and serves its others", () => {
    const made = plan(
      ingress("newer", { "a.example.org": [{ path: "/" }, { path: "/own" }] }, { age: 9 }),
      ingress("older", { "a.example.org": [{ path: "/" }] }, { age: 1 }),
    );
    expect(backendOf(made, "a.example.org", "/")).toBe("older");
    expect(backendOf(made, "a.example.org", "/own")).toBe("newer");
    expect(made.problems).toMatchObject([{ reason: "Conflict", ingress: { metadata: { name: "newer" } } }]);
  });

  test("the older Ingress keeps the certificate of a host", () => {
    const made = plan(
      ingress("b", {}, { age: 2, tls: [{ hosts: ["a.example.org"], secretName: "two" }] }),
      ingress("a", {}, { age: 1, tls: [{ hosts: ["a.example.org"], secretName: "one" }] }),
    );
    expect(made.certificates).toMatchObject([{ host: "a.example.org", secret: "default/one" }]);
    expect(made.problems).toMatchObject([{ reason: "Conflict" }]);
  });

  test.each([
    ["named", { className: "fairlead" }, {}, true],
    ["another's", { className: "nginx" }, {}, false],
    ["none, and none is the default", { className: null }, {}, false],
    ["none, and ours is the default", { className: null }, { isDefault: true }, true],
    ["the old annotation", { className: null, annotations: { "kubernetes.io/ingress.class": "fairlead" } }, {}, true],
    [
      "the old annotation of another",
      { className: null, annotations: { "kubernetes.io/ingress.class": "x" } },
      { isDefault: true },
      false,
    ],
    ["a class of another controller", { className: "fairlead" }, { controller: "example.org/x" }, false],
  ])("class %s", (_, options, classOptions, accepted) => {
    const one = ingress("web", { "a.example.org": [{ path: "/" }] }, options);
    const made = planRoutes({ ...who, ingresses: [one], classes: [ingressClass("fairlead", classOptions)] });
    expect(made.accepted.length).toBe(accepted ? 1 : 0);
  });

  test("a canary stands beside the route of its host and path, and one without is told", () => {
    const made = plan(
      ingress("web", { "a.example.org": [{ path: "/" }] }),
      ingress(
        "canary",
        { "a.example.org": [{ path: "/" }] },
        { annotations: { canary: "true", "canary-weight": "20" } },
      ),
      ingress("lost", { "b.example.org": [{ path: "/" }] }, { annotations: { canary: "true" } }),
    );
    expect(made.table.match("a.example.org", "/")?.route).toMatchObject({
      backend: { service: "web" },
      canary: { backend: { service: "canary" } },
    });
    expect(made.problems).toMatchObject([{ reason: "Conflict", ingress: { metadata: { name: "lost" } } }]);
  });
});

describe("annotations", () => {
  const refused: [name: string, value: string][] = [
    ["configuration-snippet", "return 200;"],
    ["server-snippet", "x"],
    ["auth-url", "http://example.org"],
    ["limit-rps", "5"],
    ["no-such-thing", "true"],
    ["ssl-redirect", "yes"],
    ["force-ssl-redirect", "1"],
    ["rewrite-target", "/$1; return 200"],
    ["rewrite-target", "http://example.org/"],
    ["app-root", "app"],
    ["proxy-body-size", "8 MB"],
    ["proxy-connect-timeout", "5s"],
    ["proxy-read-timeout", "0"],
    ["proxy-next-upstream", "error; x"],
    ["proxy-next-upstream-tries", "-1"],
    ["backend-protocol", "GRPC"],
    ["affinity", "ip"],
    ["affinity-mode", "sticky"],
    ["session-cookie-name", "a b"],
    ["session-cookie-path", "/;Domain=x"],
    ["session-cookie-samesite", "none"],
    ["load-balance", "ip_hash"],
    ["upstream-vhost", "$host"],
    ["upstream-vhost", "a\r\nb"],
    ["canary-weight", "101"],
    ["canary-by-header-pattern", "(a+)+"],
    ["whitelist-source-range", "10.0.0.1/8"],
    ["denylist-source-range", "example.org"],
    ["cors-allow-origin", "javascript:x"],
    ["cors-allow-methods", "GET\nX"],
    ["cors-max-age", "1h"],
    ["permanent-redirect", "javascript:alert(1)"],
    ["permanent-redirect", "https://a/\r\nx: y"],
    ["temporal-redirect-code", "200"],
  ];
  test.each(refused)("%s: %j is refused by name, and the Ingress is not served", (name, value) => {
    const made = plan(ingress("web", { "a.example.org": [{ path: "/" }] }, { annotations: { [name]: value } }));
    expect(made.table.size).toBe(0);
    expect(made.problems).toMatchObject([
      { reason: "Rejected", message: expect.stringContaining(`nginx.ingress.kubernetes.io/${name}:`) },
    ]);
  });

  test("what only tunes another proxy is passed over and told", () => {
    const made = plan(ingress("web", { "": [{ path: "/" }] }, { annotations: { "proxy-buffering": "off" } }));
    expect(made.table.size).toBe(1);
    expect(made.problems).toMatchObject([{ reason: "AnnotationIgnored" }]);
  });

  test.each(["(a+)+", "(a|b)*", "(?=x)", "(a)\\1", ".*.*.*.*", "(", ")", "(*a)", "a{1,", "(?<n>a)"])(
    "the expression /%s is refused",
    (text) => {
      expect(() => pathPattern(`/${text}`, "path")).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
    },
  );

  test("an expression that repeats itself ends in time", () => {
    const { pattern, reach } = pathPattern("/.*a.*b.*c", "path");
    expect(pattern.test(`/${"ab".repeat(reach / 2)}`)).toBe(false);
  });
});
