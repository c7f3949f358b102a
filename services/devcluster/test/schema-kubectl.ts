/** The real kubectl against the real API server of this service. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "@fairlead/testkit";
import { openServer } from "./server-fixture.ts";
import type { ServerFixture } from "./server-fixture.ts";

/** How a command ended, and what it printed. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Kubectl extends AsyncDisposable {
  readonly server: ServerFixture;
  run(...args: string[]): Promise<Outcome>;
  /** `apply -f` of one manifest, with validation by the server. */
  apply(manifest: object, ...args: string[]): Promise<Outcome>;
}

/** Longest that one command may take, in ms. */
const COMMAND_TIMEOUT_MS = 30_000;

export async function startKubectl(): Promise<Kubectl> {
  const directory = await temporaryDirectory();
  const server = await openServer();
  const { ca, client } = server.certificates;
  const file = (name: string): string => join(directory.path, name);
  await writeFile(file("ca.pem"), ca);
  await writeFile(file("client.pem"), client.certificate);
  await writeFile(file("client-key.pem"), client.key);
  const access = [
    `--server=https://127.0.0.1:${server.server.port}`,
    `--certificate-authority=${file("ca.pem")}`,
    `--client-certificate=${file("client.pem")}`,
    `--client-key=${file("client-key.pem")}`,
  ];
  const env = { ...process.env, KUBECONFIG: "/dev/null", KUBECACHEDIR: file("cache"), HOME: directory.path };
  const run = (...args: string[]): Promise<Outcome> =>
    new Promise((resolve) => {
      execFile("kubectl", [...access, ...args], { env, timeout: COMMAND_TIMEOUT_MS }, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
      });
    });
  return {
    server,
    run,
    async apply(manifest, ...args) {
      await writeFile(file("manifest.json"), JSON.stringify(manifest));
      return run("apply", "--validate=strict", "-f", file("manifest.json"), ...args);
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await directory.remove();
    },
  };
}
