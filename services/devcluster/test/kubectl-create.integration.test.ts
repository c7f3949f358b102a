import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { needs, temporaryDirectory } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KubectlFixture, openCluster } from "./kubectl-fixture.ts";

type Json = Record<string, unknown>;

// What differs between two objects that were made alike: who made them and when, and what is theirs alone.
const own = new Set([
  "name",
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "managedFields",
  "clusterIP",
  "clusterIPs",
]);
const alsoOwn = new Set(["nodePort", "healthCheckNodePort", "status", "kubernetes.io/metadata.name", "nodeName"]);

/** What was asked for: without names, versions, and what the cluster gave. */
function asked(value: unknown, name: string): unknown {
  if (typeof value === "string") return value === name ? "NAME" : value;
  if (Array.isArray(value)) return value.map((item) => asked(item, name));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, held]) => (held === "None" || !own.has(key)) && !alsoOwn.has(key))
      .map(([key, held]) => [key, asked(held, name)]),
  );
}

describe.skipIf(needs("kubectl", "openssl"))("kubectl create, which sends protobuf,", () => {
  let cluster: KubectlFixture;
  let sequence = 0;
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    const at = (name: string): string => join(directory.path, name);
    const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=example.org";
    const files = ["-keyout", at("tls.key"), "-out", at("tls.crt")];
    await promisify(execFile)("openssl", [...request.split(" "), ...files]);
    await writeFile(at("binary"), Buffer.from([0, 255, 128, 10]));
    await writeFile(at("settings.env"), "A=1\nB=two words\n");
    cluster = await openCluster();
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
    await directory.remove();
  });

  // `NAME` stands for the object's name, `DIR` for the folder of the files.
  test.each([
    ["secret", "create secret tls NAME --cert=DIR/tls.crt --key=DIR/tls.key", "secret/NAME created"],
    [
      "secret",
      "create secret generic NAME --from-literal=user=ann --from-literal=empty= --from-file=DIR/binary --type=example.org/x",
      "secret/NAME created",
    ],
    [
      "secret",
      "create secret docker-registry NAME --docker-server=registry.example.org --docker-username=u --docker-password=p",
      "secret/NAME created",
    ],
    ["configmap", "create configmap NAME --from-literal=a=b --from-file=DIR/binary", "configmap/NAME created"],
    ["configmap", "create configmap NAME --from-env-file=DIR/settings.env", "configmap/NAME created"],
    ["configmap", "create configmap NAME", "configmap/NAME created"],
    ["namespace", "create namespace NAME", "namespace/NAME created"],
    ["serviceaccount", "create serviceaccount NAME", "serviceaccount/NAME created"],
    ["deployment", "create deployment NAME --image=web --replicas=2 --port=8080", "deployment.apps/NAME created"],
    ["deployment", "create deployment NAME --image=web --replicas=0 -- sleep 1000", "deployment.apps/NAME created"],
    ["deployment", "create deployment NAME --image=web:1 --image=side:2", "deployment.apps/NAME created"],
    ["service", "create service clusterip NAME --tcp=80:8080 --tcp=443:https", "service/NAME created"],
    ["service", "create service clusterip NAME --clusterip=None", "service/NAME created"],
    ["service", "create service nodeport NAME --tcp=80", "service/NAME created"],
    ["service", "create service loadbalancer NAME --tcp=80:8080", "service/NAME created"],
    ["service", "create service externalname NAME --external-name=shop.example.org", "service/NAME created"],
    [
      "ingress",
      "create ingress NAME --class=other --rule=shop.example.org/*=web:80,tls=cert --rule=/api=api:http --annotation=a=b",
      "ingress.networking.k8s.io/NAME created",
    ],
    ["ingress", "create ingress NAME --default-backend=web:80", "ingress.networking.k8s.io/NAME created"],
    ["pod", "run NAME --image=web --port=80 --env=A=B --labels=a=b --command -- sleep 1000", "pod/NAME created"],
  ])("%s: %s", async (kind, command, says) => {
    const line = (name: string): string => command.replaceAll("NAME", name).replaceAll("DIR", directory.path);
    const names = [`sent-${sequence}`, `piped-${sequence++}`] as const;
    expect(await cluster.kubectl(line(names[0]))).toBe(`${says.replace("NAME", names[0])}\n`);
    const dry = line(names[1]).replace(/( -- | --command |$)/, " --dry-run=client -o json$1");
    await cluster.kubectl("create -f -", await cluster.kubectl(dry));
    const [sent, piped] = await Promise.all(
      names.map(async (name) => asked(JSON.parse(await cluster.kubectl(`get ${kind} ${name} -o json`)) as Json, name)),
    );
    expect(sent).toEqual(piped);
  });

  test("that it does is what kubectl itself says", async () => {
    const { code, stderr } = await cluster.run("create configmap told -v=8".split(" "));
    expect(code).toBe(0);
    expect(stderr).toContain("Content-Type: application/vnd.kubernetes.protobuf");
  });

  test("a certificate comes back byte for byte", async () => {
    await cluster.kubectl(`create secret tls cert --cert=${directory.path}/tls.crt --key=${directory.path}/tls.key`);
    const text = await cluster.kubectl(String.raw`get secret cert -o jsonpath={.data.tls\.crt}`);
    expect(Buffer.from(text, "base64")).toEqual(await readFile(join(directory.path, "tls.crt")));
  });

  test("has its faults named like any other body", async () => {
    const { code, stderr } = await cluster.run("create service clusterip BadName --tcp=80".split(" "));
    expect(code).toBe(1);
    expect(stderr).toContain("metadata.name");
    const again = await cluster.run("create namespace default".split(" "));
    expect(again.stderr).toContain('namespaces "default" already exists');
  });

  test("can be tried out at the server, and what it made can be deleted", async () => {
    expect(await cluster.kubectl("create configmap tried --dry-run=server")).toBe(
      "configmap/tried created (server dry run)\n",
    );
    await cluster.kubectl("create configmap gone");
    expect(await cluster.kubectl("delete configmap gone --cascade=foreground")).toContain('configmap "gone" deleted');
  });
});
