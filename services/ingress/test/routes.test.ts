import { describe, expect, test } from "vitest";
import { planRoutes } from "../src/plan/planner.ts";
import type { RoutePlan } from "../src/plan/planner.ts";
import { MAX_PATHS } from "../src/plan/ingress-rules.ts";
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

  // The examples of the Kubernetes documentation with several paths in one Ingress.
  test.each<[rules: string[], asked: string, winner: string | undefined]>([
    [["Prefix /", "Prefix /aaa"], "/aaa/ccc", "Prefix /aaa"],
    [["Prefix /", "Prefix /aaa", "Prefix /aaa/bbb"], "/aaa/bbb", "Prefix /aaa/bbb"],
    [["Prefix /", "Prefix /aaa", "Prefix /aaa/bbb"], "/ccc", "Prefix /"],
    [["Prefix /aaa"], "/ccc", undefined],
    [["Prefix /foo", "Exact /foo"], "/foo", "Exact /foo"],
    [["Exact /foo", "Prefix /foo/"], "/foo/", "Prefix /foo/"],
    [["Exact /foo/", "Prefix /foo"], "/foo/", "Exact /foo/"],
    [["ImplementationSpecific /foo", "Prefix /foo"], "/foo/x", "Prefix /foo"],
    [["ImplementationSpecific /foo/bar", "Prefix /foo"], "/foo/bar", "ImplementationSpecific /foo/bar"],
  ])("of %j, %s goes to %s", (rules, asked, winner) => {
    const paths = rules.map((rule, index) => {
      const [type = "", path = ""] = rule.split(" ");
      return { path, type, service: `service-${index}` };
    });
    const made = plan(ingress("web", { "a.example.org": paths }));
    const expected = winner === undefined ? undefined : `service-${rules.indexOf(winner)}`;
    expect(backendOf(made, "a.example.org", asked)).toBe(expected);
  });

  test("a path without a type, as in manifests before v1, is ImplementationSpecific; one without a path is /", () => {
    const backend = { service: { name: "old", port: { number: 80 } } };
    const old = ingress("old", {});
    const rules = [{ host: "a.example.org", http: { paths: [{ backend }] } }];
    const made = plan({ ...old, spec: { ...old.spec, rules } as never });
    expect(made.table.match("a.example.org", "/any")?.route).toMatchObject({
      pathType: "ImplementationSpecific",
      path: "/",
      backend: { service: "old" },
    });
  });

  test.each([
    [{ type: "Regex", path: "/" }, "pathType"],
    [{ path: "foo" }, "path"],
    [{ path: "/a?b" }, "path"],
    [{ path: "/a b" }, "path"],
    [{ path: "/../a" }, "path"],
    [{ path: `/${"a".repeat(1024)}` }, "path"],
  ])("the path %j is refused", (path, field) => {
    const made = plan(ingress("web", { "a.example.org": [path] }));
    expect(made.table.size).toBe(0);
    expect(made.problems).toMatchObject([
      { reason: "Rejected", message: expect.stringContaining(`spec.rules[0].http.paths[0].${field}`) },
    ]);
  });

  test("more paths than an Ingress may have are refused", () => {
    const paths = Array.from({ length: MAX_PATHS + 1 }, (_, index) => ({ path: `/${index}` }));
    expect(plan(ingress("web", { "a.example.org": paths })).problems).toMatchObject([
      { reason: "Rejected", message: expect.stringContaining("spec.rules") },
    ]);
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

  test("a host is compared without case", () => {
    const made = plan(ingress("web", { "Foo.Example.ORG": [{ path: "/" }] }));
    expect(backendOf(made, "foo.example.org", "/")).toBe("web");
  });

  test("a rule with a host and no paths leaves the host to the default backend of its Ingress", () => {
    const own = ingress("own", {}, { defaultService: "own", age: 9 });
    const made = plan(ingress("first", {}, { defaultService: "first" }), {
      ...own,
      spec: { ...own.spec, rules: [{ host: "a.example.org" }] },
    });
    expect(backendOf(made, "a.example.org", "/")).toBe("own");
    expect(backendOf(made, "b.example.org", "/")).toBe("first");
  });

  test("an Ingress without rules and without a default backend serves nothing", () => {
    const made = plan(ingress("web", {}));
    expect(made.table.size).toBe(0);
    expect(made.problems).toEqual([]);
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

describe("backends", () => {
  const service = { name: "web", port: { number: 80 } };
  const resource = { apiGroup: "example.org", kind: "Bucket", name: "files" };
  test.each<[string, object, string]>([
    ["a resource", { resource }, "backend.resource"],
    ["a resource beside a Service", { resource, service }, "backend.resource"],
    ["nothing", {}, "backend.service"],
    ["no port", { service: { name: "web" } }, "backend.service.port"],
    [
      "a port by number and name",
      { service: { name: "web", port: { number: 80, name: "http" } } },
      "backend.service.port",
    ],
    ["a number that is no port", { service: { name: "web", port: { number: 65_536 } } }, "backend.service.port.number"],
    ["a name that is none", { service: { ...service, name: "We b" } }, "backend.service.name"],
  ])("that name %s are refused by field", (_, backend, field) => {
    const one = ingress("web", {});
    const rules = [{ host: "a.example.org", http: { paths: [{ path: "/", pathType: "Prefix", backend }] } }];
    const made = plan({ ...one, spec: { ...one.spec, rules } });
    expect(made.table.size).toBe(0);
    expect(made.problems).toMatchObject([
      { reason: "Rejected", message: expect.stringContaining(`spec.rules[0].http.paths[0].${field}`) },
    ]);
  });

  test("may name a port, and a default backend is checked alike", () => {
    const made = plan(ingress("web", { "a.example.org": [{ path: "/", port: "http" }] }));
    expect(made.backends).toMatchObject([{ ref: { service: "web", port: "http" } }]);
    const one = ingress("web", {});
    const refused = plan({ ...one, spec: { ...one.spec, defaultBackend: { resource } } });
    expect(refused.problems).toMatchObject([{ message: expect.stringContaining("spec.defaultBackend.resource") }]);
  });
});

describe("TLS", () => {
  test("covers the hosts that it names, wildcards for one label; without hosts, all that have no other", () => {
    const hosts = { "a.example.org": [{ path: "/" }], "b.c.example.org": [{ path: "/" }], "x.test": [{ path: "/" }] };
    const named = plan(ingress("web", hosts, { tls: [{ hosts: ["*.example.org"], secretName: "wild" }] }));
    const isSecured = (made: RoutePlan, host: string): boolean | undefined => made.table.match(host, "/")?.route.tls;
    expect(Object.keys(hosts).map((host) => isSecured(named, host))).toEqual([true, false, false]);
    expect(named.certificates).toMatchObject([{ host: "*.example.org", secret: "default/wild" }]);
    const any = plan(ingress("web", hosts, { tls: [{ secretName: "any" }] }));
    expect(Object.keys(hosts).map((host) => isSecured(any, host))).toEqual([true, true, true]);
    expect(any.certificates).toMatchObject([{ host: "", secret: "default/any" }]);
  });

  test.each([
    [{ hosts: ["*"] }, "spec.tls[0].hosts"],
    [{ hosts: ["10.0.0.1"] }, "spec.tls[0].hosts"],
    [{ hosts: ["a.example.org"], secretName: "../other" }, "spec.tls[0].secretName"],
    [{ hosts: ["a.example.org"], secretName: "other/name" }, "spec.tls[0].secretName"],
  ])("%j is refused", (tls, field) => {
    const made = plan(ingress("web", { "a.example.org": [{ path: "/" }] }, { tls: [tls] }));
    expect(made.problems).toMatchObject([{ reason: "Rejected", message: expect.stringContaining(field) }]);
    expect(made.certificates).toEqual([]);
  });
});

describe("conflicts and classes", () => {
  test("of two of one age the first by name has it", () => {
    const hosts = { "a.example.org": [{ path: "/" }] };
    expect(backendOf(plan(ingress("b", hosts), ingress("a", hosts)), "a.example.org", "/")).toBe("a");
  });

  test("a prefix is the same with and without its last slash, and apart from Exact", () => {
    const made = plan(
      ingress("one", { "a.example.org": [{ path: "/foo" }] }, { age: 1 }),
      ingress("two", { "a.example.org": [{ path: "/foo/" }, { path: "/foo", type: "Exact" }] }, { age: 2 }),
    );
    expect(made.problems).toMatchObject([{ reason: "Conflict", message: expect.stringContaining("/foo/ (Prefix)") }]);
    expect(backendOf(made, "a.example.org", "/foo")).toBe("two");
    expect(backendOf(made, "a.example.org", "/foo/")).toBe("one");
  });

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
    ["named, whatever the old annotation says", { annotations: { "kubernetes.io/ingress.class": "x" } }, {}, true],
    [
      "another's, whatever the old annotation says",
      { className: "nginx", annotations: { "kubernetes.io/ingress.class": "fairlead" } },
      { isDefault: true },
      false,
    ],
    [
      "an old annotation that is empty",
      { className: null, annotations: { "kubernetes.io/ingress.class": "" } },
      {},
      false,
    ],
    [
      "none, and another's is the default",
      { className: null },
      { isDefault: true, controller: "example.org/x" },
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
  test.each([
    ["configuration-snippet", "return 200;"],
    ["auth-url", "http://example.org"],
    ["canary-weight", "101"],
  ])("%s: %j is refused by name, and the Ingress is not served", (name, value) => {
    const made = plan(ingress("web", { "a.example.org": [{ path: "/" }] }, { annotations: { [name]: value } }));
    expect(made.table.size).toBe(0);
    expect(made.accepted).toEqual([]);
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
