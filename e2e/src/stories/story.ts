/** What every story needs: the running stack, a namespace of its own, and a few questions that many ask. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { eventually } from "@fairlead/testkit";
import { afterAll, beforeAll } from "vitest";
import type { Stack } from "../stack.ts";

const run = promisify(execFile);

/** How long something that the cluster does by itself may take, in milliseconds: generous, since two cores carry everything. */
export const patienceMs = 30_000;

/** Makes a namespace before the story's tests and removes it, with all that runs in it, afterwards. */
export function useNamespace(stack: () => Stack, namespace: string): string {
  beforeAll(async () => {
    await stack().kubectl(`create -f -`, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  });
  afterAll(async () => {
    await stack().kubectl(`delete namespace ${namespace} --wait=true --timeout=40s`);
  });
  return namespace;
}

/** Applies objects as a user would. */
export async function apply(stack: Stack, manifest: object): Promise<string> {
  return await stack.kubectl("apply -f -", manifest);
}

/** Waits until that many pods of an app are ready. */
export async function untilReady(stack: Stack, namespace: string, app: string, count: number): Promise<void> {
  await eventually(
    async () => {
      const ready = await readyPods(stack, namespace, app);
      if (ready.length !== count) throw new Error(`${ready.length} of ${count} pods of ${app} are ready`);
    },
    { timeoutMs: patienceMs, intervalMs: 100 },
  );
}

/** Names of the ready pods of an app, those that are leaving left out. */
export async function readyPods(stack: Stack, namespace: string, app: string): Promise<string[]> {
  const { items } = await stack.kubectl.json<{ items: PodView[] }>(`get pods -n ${namespace} -l app=${app}`);
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .filter(({ status }) => status.conditions?.some(({ type, status }) => type === "Ready" && status === "True"))
    .map(({ metadata }) => metadata.name);
}

/** What stories look at in a pod. */
export interface PodView {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** The cluster IP of a Service. */
export async function clusterIP(stack: Stack, namespace: string, name: string): Promise<string> {
  return await stack.kubectl(["get", "service", name, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}"]);
}

/** The address of a LoadBalancer Service. Rejects while it has none. */
export async function loadBalancerIP(stack: Stack, namespace: string, name: string): Promise<string> {
  const path = "jsonpath={.status.loadBalancer.ingress[*].ip}";
  const address = await stack.kubectl(["get", "service", name, "-n", namespace, "-o", path]);
  if (address === "") throw new Error(`${name} has no address yet`);
  return address;
}

/** Waits until the Service's slices list that many ready addresses. */
export async function untilEndpoints(stack: Stack, namespace: string, service: string, count: number): Promise<void> {
  await eventually(
    async () => {
      const found = await readyAddresses(stack, namespace, service);
      if (found.length !== count) throw new Error(`${service} has ${found.length} of ${count} endpoints`);
    },
    { timeoutMs: patienceMs, intervalMs: 100 },
  );
}

/** Ready addresses in the Service's slices. */
export async function readyAddresses(stack: Stack, namespace: string, service: string): Promise<string[]> {
  interface SliceView {
    readonly endpoints?: readonly {
      readonly addresses: readonly string[];
      readonly conditions: { readonly ready?: boolean };
    }[];
  }
  const { items } = await stack.kubectl.json<{ items: SliceView[] }>(
    `get endpointslices -n ${namespace} -l kubernetes.io/service-name=${service}`,
  );
  return items.flatMap(({ endpoints = [] }) =>
    endpoints.filter(({ conditions }) => conditions.ready === true).flatMap(({ addresses }) => addresses),
  );
}

/** The real curl: its output. Rejects where it fails; `code` of the error is curl's own (7: refused, 28: timed out). */
export async function curl(...args: string[]): Promise<string> {
  const { stdout } = await run("curl", ["--silent", "--show-error", "--fail", "--max-time", "5", ...args], {
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout;
}

/** curl's exit code where the request fails, 0 where it does not. */
export async function curlCode(...args: string[]): Promise<number> {
  try {
    await curl(...args);
    return 0;
  } catch (error) {
    return (error as { code: number }).code;
  }
}
