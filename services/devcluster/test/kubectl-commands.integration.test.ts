import { eventually, needs } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KubectlFixture, openCluster } from "./kubectl-fixture.ts";

const web = `
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: https, port: 443, targetPort: 8443}
`;

const replicas = `
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: none, command: [sh, -c, 'echo hello from $POD_NAME; exec sleep 1000']}
`;

const named = (kind: string, name: string, rest: object = {}): string =>
  JSON.stringify({ apiVersion: "v1", kind, metadata: { name }, ...rest });

const large = (bytes: number): string =>
  named("Pod", "large", { spec: { containers: [{ name: "a", image: "a", args: ["x".repeat(bytes)] }] } });

const served = (
  "configmaps endpoints events namespaces nodes pods replicationcontrollers secrets serviceaccounts services " +
  "deployments.apps replicasets.apps leases.coordination.k8s.io endpointslices.discovery.k8s.io " +
  "ingressclasses.networking.k8s.io ingresses.networking.k8s.io ingresses.extensions"
).split(" ");

describe.skipIf(needs("kubectl"))("kubectl", () => {
  let cluster: KubectlFixture;
  const kubectl = (args: string, input?: string): Promise<string> => cluster.kubectl(args, input);
  const refused = async (args: string, input?: string): Promise<string> => {
    const said = await cluster.run(args.split(" "), input);
    expect(said).not.toMatchObject({ code: 0 });
    return said.stderr;
  };

  beforeAll(async () => {
    cluster = await openCluster();
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  test("finds the cluster, its version and its resources", async () => {
    expect(await kubectl("version")).toContain("Server Version: v1.32");
    expect(await kubectl("cluster-info")).toContain("is running at");
    const resources = await kubectl("api-resources -o name");
    expect(resources.trim().split("\n").sort()).toEqual(served.toSorted());
    expect(await kubectl("explain service.spec.ports.nodePort")).toContain("FIELD: nodePort <integer>");
  });

  test("finds what every cluster has", async () => {
    expect(await kubectl("get ns -o name")).toBe(
      "namespace/default\nnamespace/kube-node-lease\nnamespace/kube-public\nnamespace/kube-system\n",
    );
    expect(await kubectl("get svc kubernetes --no-headers")).toMatch(
      /^kubernetes +ClusterIP +127\.96\.0\.1 +<none> +443\/TCP/,
    );
    expect(await kubectl("get nodes --no-headers")).toMatch(/^node-1 +Ready .*\nnode-2 +Ready .*\n$/);
    expect(await kubectl("get endpointslices kubernetes --no-headers")).toMatch(
      /^kubernetes +IPv4 +\d+ +127\.0\.0\.1 /,
    );
    const { stdout, stderr } = await cluster.run(["get", "endpoints", "kubernetes", "--no-headers"]);
    expect(stdout).toMatch(/^kubernetes +127\.0\.0\.1:\d+ /);
    expect(stderr).toContain("Warning: v1 Endpoints is deprecated in v1.33+");
  });

  test("applies, shows differences, applies again", async () => {
    expect(await kubectl("apply -f -", web)).toBe("service/web created\n");
    expect(await kubectl("apply -f -", web)).toBe("service/web unchanged\n");
    const changed = web.replace("port: 443", "port: 444");
    const diff = await cluster.run(["diff", "-f", "-"], changed);
    expect(diff).toMatchObject({ code: 1, stdout: expect.stringMatching(/-\s+port: 443\n\+\s+port: 444\n/) as string });
    expect(await kubectl("apply -f -", changed)).toBe("service/web configured\n");
    expect(await kubectl("get svc web --no-headers")).toMatch(
      /^web +ClusterIP +127\.96\.\d+\.\d+ +<none> +80\/TCP,444\/TCP /,
    );
    const without = changed.replace(/ +- \{name: https.*\n/, "");
    expect(await kubectl("apply -f -", without)).toBe("service/web configured\n");
    expect(await kubectl("get svc web -o jsonpath={.spec.ports[*].port}")).toBe("80");
  });

  test("changes one thing: label, annotate, patch, set, replace", async () => {
    await kubectl("apply -f -", web);
    expect(await kubectl("label svc web tier=front")).toBe("service/web labeled\n");
    expect(await kubectl("label svc web tier-")).toBe("service/web unlabeled\n");
    expect(await kubectl("annotate svc web example.org/note=a")).toBe("service/web annotated\n");
    expect(await kubectl(`patch svc web -p '{"spec":{"ports":[{"port":80,"targetPort":9090}]}}'`)).toContain("patched");
    expect(await kubectl("get svc web -o jsonpath={.spec.ports[*].targetPort}")).toBe("9090 8443");
    expect(await kubectl(`patch svc web --type merge -p '{"spec":{"sessionAffinity":"ClientIP"}}'`)).toContain(
      "patched",
    );
    const json = `[{"op":"replace","path":"/spec/sessionAffinity","value":"None"}]`;
    expect(await kubectl(`patch svc web --type json -p '${json}'`)).toContain("patched");
    expect(await kubectl("set selector svc web app=other")).toContain("selector updated");
    expect(await kubectl("get svc web -o jsonpath={.spec.selector}")).toBe('{"app":"other"}');
    const stored = await kubectl("get svc web -o yaml");
    expect(await kubectl("replace -f -", stored.replace("app: other", "app: again"))).toBe("service/web replaced\n");
    expect(await refused("replace -f -", stored)).toContain("the object has been modified");
  });

  test("applies on the server: by its own say, after a client-side apply, and against another's", async () => {
    const map = (data: object): string => named("ConfigMap", "owned", { data });
    expect(await kubectl("apply --server-side -f -", map({ a: "1" }))).toContain("configmap/owned serverside-applied");
    expect(await kubectl("apply --server-side -f -", map({ b: "1" }))).toContain("serverside-applied");
    expect(await kubectl("get cm owned -o jsonpath={.data}")).toBe('{"b":"1"}');
    expect(await kubectl(`patch cm owned --type merge -p '{"data":{"b":"2"}}'`)).toContain("patched");
    expect(await refused("apply --server-side -f -", map({ b: "3" }))).toContain('conflict with "kubectl-patch"');
    await kubectl("apply --server-side --force-conflicts -f -", map({ b: "3" }));
    expect(await kubectl("get cm owned -o jsonpath={.data}")).toBe('{"b":"3"}');
    await kubectl("delete cm owned");
    await kubectl("apply -f -", map({ a: "1" }));
    // Only what says the same moves over to server-side apply without --force-conflicts.
    await kubectl("apply --server-side -f -", map({ a: "1" }));
    await kubectl("apply --server-side -f -", map({ a: "2" }));
    expect(await kubectl("get cm owned -o jsonpath={.data}")).toBe('{"a":"2"}');
  });

  test("edits with an editor", async () => {
    await kubectl("apply -f -", web);
    expect(await kubectl("edit svc web")).toBe("service/web edited\n");
    expect(await kubectl("get svc web -o jsonpath={.spec.ports[*].port}")).toBe("81 443");
  });

  test("creates from the command line what it sends as JSON", async () => {
    expect(await kubectl("run one --image=none --labels=app=one -- sleep 1000")).toBe("pod/one created\n");
    expect(await kubectl("expose pod one --port=80 --name=one")).toBe("service/one exposed\n");
    expect(await kubectl("get svc one -o jsonpath={.spec.selector}")).toBe('{"app":"one"}');
    expect(await kubectl("delete svc,pod one --now")).toContain('service "one" deleted');
  });

  test("runs pods: scale, wait, logs, describe, events, rollout of what is gone", { timeout: 60_000 }, async () => {
    expect(await kubectl("create -f -", replicas)).toBe("replicaset.apps/web created\n");
    expect(await kubectl("scale rs web --replicas=3")).toBe("replicaset.apps/web scaled\n");
    await kubectl("wait --for=jsonpath={.status.readyReplicas}=3 rs/web --timeout=15s");
    expect(await kubectl("wait --for=condition=Ready pod -l app=web --timeout=15s")).toContain("condition met");
    const pods = (await kubectl("get pods -l app=web -o name")).trim().split("\n");
    expect(pods).toHaveLength(3);
    expect(await kubectl(`logs ${pods[0]}`)).toMatch(/^hello from/);
    expect(await kubectl("get pods -l app=web --no-headers -o wide")).toMatch(
      /1\/1 +Running +0 +\S+ +127\.245\.\d+\.\d+ +node-[12] /,
    );
    expect(await kubectl("describe rs web")).toMatch(/Normal +SuccessfulCreate/);
    expect(await kubectl("describe svc kubernetes")).toMatch(/Endpoints: +127\.0\.0\.1:\d+/);
    expect(await kubectl(`describe ${pods[0]}`)).toMatch(/Ready +True/);
    expect(await kubectl("get all")).toContain("replicaset.apps/web");
    expect(await kubectl("delete rs web")).toContain("deleted");
    await eventually(async () => expect(await kubectl("get pods -l app=web -o name")).toBe(""), { timeoutMs: 20_000 });
  });

  test("watches, as a table that goes on", async () => {
    await kubectl("apply -f -", named("ConfigMap", "first"));
    const watching = cluster.follow("get configmaps -w");
    try {
      await eventually(() => expect(watching.stdout()).toContain("first"));
      await kubectl("apply -f -", named("ConfigMap", "seen", { data: { a: "b", c: "d" } }));
      await eventually(() => expect(watching.stdout()).toMatch(/seen +2 /));
    } finally {
      await watching.stop();
    }
  });

  test("finds the Service of the API again after somebody deleted everything", async () => {
    expect(await kubectl("delete svc,endpointslices,endpoints kubernetes")).toContain('service "kubernetes" deleted');
    await eventually(async () => {
      expect(await kubectl("get svc,endpointslices kubernetes --no-headers")).toMatch(
        /127\.96\.0\.1 [^]*127\.0\.0\.1 /,
      );
    });
  });

  test("deletes and waits, deletes by selector and all of a kind, in a namespace that goes with its content", async () => {
    await kubectl("apply -f -", named("Namespace", "brief"));
    for (const name of ["a", "b", "c"]) {
      const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, labels: { name } } };
      await kubectl("-n brief create -f -", JSON.stringify(map));
    }
    expect(await kubectl("-n brief delete cm -l name=a")).toBe('configmap "a" deleted\n');
    expect(await kubectl("-n brief get cm -l 'name in (b,c),!missing' -o name")).toBe("configmap/b\nconfigmap/c\n");
    expect(await kubectl("-n brief get cm --field-selector metadata.name!=b -o name")).toContain("configmap/c\n");
    expect(await kubectl("delete ns brief")).toBe('namespace "brief" deleted\n');
    expect(await refused("get ns brief")).toContain('namespaces "brief" not found');
  });

  test("prints why bad input is refused, and nothing of it is stored", async () => {
    const bad = (text: string): Promise<string> => refused("create -f -", text);
    const spoiled = web.replace("name: web,", "name: bad,");
    expect(await bad(spoiled.replace("selector:", "selectr:"))).toContain('unknown field "spec.selectr"');
    expect(await bad(spoiled.replace("{app: web}\n  ports", "[web]\n  ports"))).toContain("spec.selector");
    expect(await bad(spoiled.replace("port: 80,", "port: 70000,"))).toContain(
      "spec.ports[0].port: Invalid value: 70000",
    );
    expect(await bad(spoiled.replaceAll(/name: https?, /g, ""))).toContain("spec.ports[0].name: Required value");
    for (const bytes of [2_000_000, 3_200_000]) expect(await bad(large(bytes))).toContain("RequestEntityTooLarge");
    expect(await bad(web.replace("name: web,", "name: web, namespace: nowhere,"))).toContain(
      'namespaces "nowhere" not found',
    );
    expect(await kubectl("get svc -o name")).not.toContain("bad");
    expect(await kubectl("get pod large --ignore-not-found")).toBe("");
  });
});
