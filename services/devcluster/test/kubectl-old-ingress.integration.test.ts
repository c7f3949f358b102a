import { needs } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KubectlFixture, openCluster } from "./kubectl-fixture.ts";

const old = (apiVersion: string, name: string, port: number | string): string => `
apiVersion: ${apiVersion}
kind: Ingress
metadata: {name: ${name}}
spec:
  backend: {serviceName: fallback, servicePort: 80}
  tls:
  - {hosts: [kubia.example.com], secretName: tls-secret}
  rules:
  - host: kubia.example.com
    http:
      paths:
      - path: /kubia
        backend: {serviceName: kubia-nodeport, servicePort: ${port}}
      - path: /foo
        pathType: Exact
        backend: {serviceName: foo, servicePort: http}
`;

const spec = (port: object): object => ({
  defaultBackend: { service: { name: "fallback", port: { number: 80 } } },
  tls: [{ hosts: ["kubia.example.com"], secretName: "tls-secret" }],
  rules: [
    {
      host: "kubia.example.com",
      http: {
        paths: [
          {
            path: "/kubia",
            pathType: "ImplementationSpecific",
            backend: { service: { name: "kubia-nodeport", port } },
          },
          { path: "/foo", pathType: "Exact", backend: { service: { name: "foo", port: { name: "http" } } } },
        ],
      },
    },
  ],
});

describe.skipIf(needs("kubectl"))("Ingresses in the shapes from before v1", () => {
  let cluster: KubectlFixture;
  const kubectl = (args: string, input?: string): Promise<string> => cluster.kubectl(args, input);
  const stored = async (name: string): Promise<Record<string, unknown>> =>
    JSON.parse(await kubectl(`get ingress ${name} -o json`)) as Record<string, unknown>;

  beforeAll(async () => {
    cluster = await openCluster();
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  test.each(["extensions/v1beta1", "networking.k8s.io/v1beta1"])(
    "%s: applied, applied again, changed and deleted with kubectl, and served as v1",
    async (version) => {
      const name = version.split("/")[0] === "extensions" ? "older" : "old";
      expect(await kubectl("apply -f -", old(version, name, 80))).toBe(
        `ingress.${version.split("/")[0]}/${name} created\n`,
      );
      expect(await stored(name)).toMatchObject({ apiVersion: "networking.k8s.io/v1", spec: spec({ number: 80 }) });
      expect(await kubectl("apply -f -", old(version, name, 80))).toMatch(/unchanged$/m);
      expect(await kubectl("apply -f -", old(version, name, "web"))).toMatch(/configured$/m);
      expect(await stored(name)).toMatchObject({ spec: spec({ name: "web" }) });
      expect(await kubectl("apply --server-side --force-conflicts -f -", old(version, name, 81))).toMatch(/applied$/m);
      expect(await stored(name)).toMatchObject({ spec: spec({ number: 81 }) });
      expect(await kubectl("get -o json -f -", old(version, name, 81))).toContain('"serviceName": "kubia-nodeport"');
      expect(await kubectl("describe ingress", "")).toContain("kubia-nodeport:81");
      expect(await kubectl("delete -f -", old(version, name, 80))).toMatch(/deleted/);
      expect(await kubectl("get ingress -o name")).toBe("");
    },
  );

  test("created and replaced as well, with the warning that Kubernetes gives", async () => {
    const manifest = old("extensions/v1beta1", "made", 80);
    const said = await cluster.run(["create", "-f", "-"], manifest);
    expect(said).toMatchObject({ code: 0 });
    expect(said.stderr).toContain("extensions/v1beta1 Ingress is deprecated in v1.14+");
    await kubectl("replace -f -", old("extensions/v1beta1", "made", 8080));
    expect(await stored("made")).toMatchObject({ spec: spec({ number: 8080 }) });
    await kubectl("annotate ingress made a=b");
    await kubectl("delete ingress made");
  });

  test("a fault is named as it would be in v1, and nothing is stored", async () => {
    const bad = old("extensions/v1beta1", "bad", 70_000);
    const said = await cluster.run(["apply", "-f", "-"], bad);
    expect(said.code).not.toBe(0);
    expect(said.stderr).toContain("spec.rules[0].http.paths[0].backend.service.port.number");
    const unknown = await cluster.run(
      ["apply", "-f", "-"],
      bad.replace("servicePort: 70000", "servicePort: 80, serviceport: 1"),
    );
    expect(unknown.stderr).toContain("serviceport");
    expect(await kubectl("get ingress -o name")).toBe("");
  });
});
