/** What the API server shows, and the kubeconfig that trusts it. */
import { join } from "node:path";
import type { Startable } from "@fairlead/host";
import type { Clock } from "@fairlead/types";
import { type Certificates, loadCertificates, writePrivate } from "./certificates.ts";
import { kubeconfigText } from "./kubeconfig.ts";

/** Where they are kept and what they are for. */
export interface CredentialsOptions {
  readonly stateDir: string;
  /** Names and addresses the server is reached by. */
  readonly hosts: readonly string[];
  readonly clock: Clock;
}

/** Loads or makes the certificates when it starts. */
export class Credentials implements Startable {
  readonly name = "certificates";
  readonly #options: CredentialsOptions;
  #certificates: Certificates | undefined;

  constructor(options: CredentialsOptions) {
    this.#options = options;
  }

  /** The path of the kubeconfig. */
  get kubeconfig(): string {
    return join(this.#options.stateDir, "kubeconfig");
  }

  /** Throws before start. */
  get certificates(): Certificates {
    if (!this.#certificates) throw new Error("the certificates are not loaded yet");
    return this.#certificates;
  }

  async start(): Promise<void> {
    const { stateDir, hosts, clock } = this.#options;
    this.#certificates = await loadCertificates({ directory: join(stateDir, "pki"), hosts, now: clock.now() });
  }

  async stop(): Promise<void> {
    // The files stay.
  }

  /** Writes the kubeconfig, once the server's URL is known. Readable by its owner only: it lets its holder do anything. */
  writeKubeconfig(apiUrl: string): void {
    writePrivate(this.kubeconfig, kubeconfigText(apiUrl, this.certificates));
  }
}
