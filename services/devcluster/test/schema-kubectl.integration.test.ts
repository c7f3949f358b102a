import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { needs, temporaryDirectory } from "@fairlead/testkit";
import type { TemporaryDirectory } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadSchemas } from "../src/schema/index.ts";
import { startSchemaServer } from "./schema-server.ts";
import type { SchemaServer } from "./schema-server.ts";

describe.skipIf(needs("kubectl"))("the schemas under the real kubectl", () => {
  let server: SchemaServer;
  let directory: TemporaryDirectory;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    server = await startSchemaServer(await loadSchemas());
  });

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await directory?.remove();
  });

  /** Runs kubectl to its end; what it printed on both streams. */
  function kubectl(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const env = {
      ...process.env,
      KUBECONFIG: "/dev/null",
      KUBECACHEDIR: join(directory.path, "cache"),
      HOME: directory.path,
    };
    return new Promise((resolve) => {
      execFile("kubectl", [`--server=${server.url}`, ...args], { env, timeout: 30_000 }, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
      });
    });
  }

  async function apply(manifest: object): Promise<{ code: number; stdout: string; stderr: string }> {
    const file = join(directory.path, "manifest.json");
    await writeFile(file, JSON.stringify(manifest));
    return kubectl("apply", "--validate=strict", "-f", file);
  }

  it("explains a field with its type, its fields and what is required", async () => {
    const { stdout } = await kubectl("explain", "service.spec.ports");
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
    const { stdout, stderr } = await kubectl("explain", field);
    expect(stderr).toBe("");
    expect(stdout).toContain(`<${type}>`);
  });

  it("explains a whole kind recursively", async () => {
    const { code, stdout } = await kubectl("explain", "pod", "--recursive");
    expect(code).toBe(0);
    expect(stdout).toMatch(/readinessGates\t<\[\]PodReadinessGate>\n\s+conditionType\t<string> -required-/);
    expect(stdout).toMatch(/nodeSelector\t<map\[string\]string>/);
  });

  it("refuses to explain a field that there is not", async () => {
    const { stderr } = await kubectl("explain", "service.spec.port");
    expect(stderr).toContain('field "port" does not exist');
  });

  it("applies with validation by the server, which it finds in the document", async () => {
    const { stdout, stderr, code } = await apply({
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
    expect(server.requests).toContainEqual(expect.stringMatching(/^POST .*fieldValidation=Strict/));
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
    const { code, stderr } = await apply(service(spec));
    expect(stderr).toContain(message);
    expect(code).not.toBe(0);
  });
});
