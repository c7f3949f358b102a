import { needs } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startKubectl } from "./schema-kubectl.ts";
import type { Kubectl } from "./schema-kubectl.ts";

describe.skipIf(needs("kubectl"))("the schemas under the real kubectl", () => {
  let kubectl: Kubectl;

  beforeAll(async () => {
    kubectl = await startKubectl();
  });

  afterAll(async () => {
    await kubectl?.[Symbol.asyncDispose]();
  });

  it("explains a field with its type, its fields and what is required", async () => {
    const { stdout } = await kubectl.run("explain", "service.spec.ports");
    expect(stdout).toContain("FIELD: ports <[]ServicePort>");
    expect(stdout).toMatch(/^ {2}port\t<integer> -required-$/m);
    expect(stdout).toMatch(/^ {2}targetPort\t<IntOrString>$/m);
    expect(stdout).toMatch(/^ {2}protocol\t<string>\n {4}\S+/m);
  });

  it.each([
    ["pod.spec.containers.readinessProbe.httpGet", "HTTPGetAction"],
    ["deployment.spec.strategy", "DeploymentStrategy"],
    ["endpointslice.endpoints", "[]Endpoint"],
    ["ingress.spec.rules.http.paths", "[]HTTPIngressPath"],
    ["lease.spec", "LeaseSpec"],
    ["node.status.capacity", "map[string]Quantity"],
  ])("explains %s, of type %s", async (field, type) => {
    const { stdout, stderr } = await kubectl.run("explain", field);
    expect(stderr).toBe("");
    expect(stdout).toContain(`<${type}>`);
  });

  it("explains a whole kind recursively", async () => {
    const { code, stdout } = await kubectl.run("explain", "pod", "--recursive");
    expect(code).toBe(0);
    expect(stdout).toMatch(/readinessGates\t<\[\]PodReadinessGate>\n\s+conditionType\t<string> -required-/);
    expect(stdout).toMatch(/nodeSelector\t<map\[string\]string>/);
  });

  it("refuses to explain a field that there is not", async () => {
    const { stderr } = await kubectl.run("explain", "service.spec.port");
    expect(stderr).toContain('field "port" does not exist');
  });

  it("applies with validation by the server, which it finds in the document", async () => {
    const { stdout, stderr, code } = await kubectl.apply({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: "default", creationTimestamp: null },
      spec: {
        selector: { matchLabels: { app: "web" } },
        template: {
          metadata: { labels: { app: "web" } },
          spec: { containers: [{ name: "web", image: "example", resources: { limits: { cpu: 1, memory: "1Gi" } } }] },
        },
      },
    });
    expect({ stdout, stderr, code }).toEqual({ stdout: "deployment.apps/web created\n", stderr: "", code: 0 });
  });

  const service = (spec: object): object => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default" },
    spec,
  });

  it.each([
    ["an unknown field", { ports: [{ port: 80, foo: 1 }] }, 'strict decoding error: unknown field "spec.ports[0].foo"'],
    ["a selector that is a list", { selector: ["app"] }, "spec.selector: Invalid value"],
    ["a port that is text", { ports: [{ port: "80" }] }, "spec.ports[0].port: Invalid value"],
    ["a port that is missing", { ports: [{ name: "http" }] }, "spec.ports[0].port: Required value"],
  ])("prints what is wrong with %s", async (_what, spec, message) => {
    const { code, stderr } = await kubectl.apply(service(spec));
    expect(stderr).toContain(message);
    expect(code).not.toBe(0);
  });
});
