import { get } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "@fairlead/testkit";
import { processEntry } from "../src/node-agent/process/proc-table.ts";
import type { Harness } from "./node-agent-harness.ts";
import { isReady, shell, startHarness } from "./node-agent-harness.ts";

let harness: Harness;

beforeAll(async () => {
  harness = await startHarness({ slot: 12 });
});

afterAll(() => harness[Symbol.asyncDispose]());

function fetchText(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      response.once("end", () => resolve(text)).once("error", reject);
    }).once("error", reject);
  });
}

describe("nodes", () => {
  test("are registered Ready, with their addresses and pod ranges", () => {
    const nodes = harness.api.list("nodes").items;
    expect(nodes.map((node) => node.metadata?.name)).toEqual(["node-1", "node-2"]);
    expect(nodes.map((node) => node.spec?.podCIDR)).toEqual(["127.244.193.0/24", "127.244.194.0/24"]);
    const [first] = nodes;
    expect(first?.status?.addresses).toContainEqual({ type: "InternalIP", address: "127.64.0.1" });
    expect(first?.status?.conditions?.find(({ type }) => type === "Ready")?.status).toBe("True");
  });
});

describe.concurrent("a pod", () => {
  test("of a mapped image serves on its own address and is Running and Ready", async () => {
    harness.run("kubia", {
      containers: [
        {
          name: "kubia",
          image: "luksa/kubia",
          ports: [{ name: "http", containerPort: 8080 }],
          readinessProbe: { httpGet: { path: "/healthz", port: "http" }, periodSeconds: 1 },
        },
      ],
    });
    const pod = await harness.until("kubia", (found) => expect(isReady(found)).toBe(true));
    expect(pod.status?.phase).toBe("Running");
    expect(pod.status?.podIP).toMatch(/^127\.244\.193\./);
    expect(pod.status?.hostIP).toBe("127.64.0.1");
    expect(pod.status?.containerStatuses?.[0]).toMatchObject({
      name: "kubia",
      ready: true,
      started: true,
      restartCount: 0,
    });
    expect(await fetchText(`http://${pod.status?.podIP}:8080/`)).toBe("You've hit kubia\n");
    expect(await harness.log("kubia")).toContain("kubia listens on");
  });

  test("without a probe is Ready as soon as it runs", async () => {
    harness.run("plain", { containers: [shell("exec sleep 60")] });
    const pod = await harness.until("plain", (found) => expect(isReady(found)).toBe(true));
    expect(pod.status?.conditions?.map(({ type, status }) => `${type}=${status}`)).toEqual(
      expect.arrayContaining([
        "PodReadyToStartContainers=True",
        "Initialized=True",
        "Ready=True",
        "ContainersReady=True",
      ]),
    );
    expect(harness.events("Started")).toContain("Started container app");
  });

  test("with an unknown image waits and says how to map it", async () => {
    harness.run("stranger", { containers: [{ name: "app", image: "example/unknown:1" }] });
    const pod = await harness.until("stranger", (found) =>
      expect(found.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe("ErrImagePull"),
    );
    expect(pod.status?.phase).toBe("Pending");
    expect(harness.events("Failed").join("\n")).toMatch(/example\/unknown:1.*images\.yaml/);
  });

  test("with restartPolicy Never succeeds or fails by its exit code", async () => {
    harness.run("good", { restartPolicy: "Never", containers: [shell("echo done")] });
    harness.run("bad", { restartPolicy: "Never", containers: [shell("exit 3")] });
    await harness.until("good", (found) => expect(found.status?.phase).toBe("Succeeded"));
    const bad = await harness.until("bad", (found) => expect(found.status?.phase).toBe("Failed"));
    expect(bad.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 3, reason: "Error" });
    expect(await harness.log("good")).toBe("done\n");
  });

  test("that crashes is started again at once, then backs off", async () => {
    harness.run("crashing", { containers: [shell("date +%N; exit 1")] });
    const pod = await harness.until("crashing", (found) =>
      expect(found.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe("CrashLoopBackOff"),
    );
    expect(pod.status?.phase).toBe("Running");
    expect(pod.status?.containerStatuses?.[0]).toMatchObject({ restartCount: 1, ready: false });
    expect(pod.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode).toBe(1);
    expect(harness.events("BackOff").join()).toContain(
      "Back-off restarting failed container app in pod crashing_default",
    );
    expect(await harness.log("crashing")).not.toBe(await harness.log("crashing", { previous: true }));
  });

  test("whose program is missing fails to start with the reason", async () => {
    harness.run("missing", {
      restartPolicy: "Never",
      containers: [{ name: "app", image: "x", command: ["/no/such/program"] }],
    });
    const pod = await harness.until("missing", (found) => expect(found.status?.phase).toBe("Failed"));
    expect(pod.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({
      exitCode: 128,
      reason: "StartError",
    });
  });

  test("runs its init containers first, in order, and keeps sidecars beside the app", async () => {
    harness.run("staged", {
      restartPolicy: "Never",
      initContainers: [
        { ...shell("echo one"), name: "one" },
        { ...shell("exec sleep 60"), name: "side", restartPolicy: "Always" },
        { ...shell("echo two"), name: "two" },
      ],
      containers: [shell("echo app")],
    });
    const pod = await harness.until("staged", (found) => expect(found.status?.phase).toBe("Succeeded"));
    const ends = pod.status?.initContainerStatuses?.map(({ name, state }) => [name, state?.terminated?.exitCode]);
    await harness.until("staged", (found) =>
      expect(
        found.status?.initContainerStatuses?.find(({ name }) => name === "side")?.state?.terminated?.exitCode,
      ).toBe(143),
    );
    expect(ends?.filter(([name]) => name !== "side")).toEqual([
      ["one", 0],
      ["two", 0],
    ]);
    expect(await harness.log("staged", { container: "two" })).toBe("two\n");
  });

  test("that is deleted gets SIGTERM, may finish, and then leaves the API with its files", async () => {
    harness.run("leaving", {
      containers: [shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done")],
    });
    await eventually(async () => expect(await harness.log("leaving")).toContain("up"));
    const following = harness.log("leaving", { follow: true });
    harness.api.delete("pods", "default", "leaving");
    expect(harness.pod("leaving").metadata?.deletionTimestamp).toBeDefined();
    await eventually(() => expect(harness.api.find("pods", "default", "leaving")).toBeUndefined());
    expect(await following).toBe("up\nbye\n");
  });

  test("that ignores SIGTERM is killed after its grace, with all it started", async () => {
    harness.run("stubborn", {
      terminationGracePeriodSeconds: 1,
      containers: [shell("trap '' TERM; sleep 300 & echo child $!; while :; do sleep 0.05; done")],
    });
    const text = await eventually(async () => {
      const found = await harness.log("stubborn");
      expect(found).toMatch(/child \d+/);
      return found;
    });
    harness.api.delete("pods", "default", "stubborn");
    await eventually(() => expect(harness.api.find("pods", "default", "stubborn")).toBeUndefined());
    const child = processEntry(Number(text.split(" ")[1]));
    // The machine's init may take its time to reap it.
    expect(child?.state ?? "Z").toBe("Z");
  });

  test("with volume mounts is told that they are missing", async () => {
    harness.run("mounted", {
      volumes: [{ name: "data", emptyDir: {} }],
      containers: [shell("exec sleep 60", { volumeMounts: [{ name: "data", mountPath: "/data" }] })],
    });
    await eventually(() => expect(harness.events("VolumeMountsNotSupported").join()).toContain("/data in app"));
  });
});

test("nothing went wrong behind the API", () => {
  expect(harness.errors).toEqual([]);
});
