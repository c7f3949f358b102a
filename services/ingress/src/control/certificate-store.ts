/** The certificates that routes name, each from its Secret, live when that changes. */
import { createSecureContext } from "node:tls";
import type { SecureContext } from "node:tls";
import { resourcePath } from "@fairlead/kube";
import type { Ingress, KubeClient, Secret } from "@fairlead/kube";
import type { Logger } from "@fairlead/host";
import type { Clock, Random } from "@fairlead/types";
import type { CertificateUse } from "../plan/planner.ts";
import { ObjectWatch } from "./object-watch.ts";

/** Secrets that are followed at a time; further ones are not read, and their hosts have no certificate. */
export const MAX_CERTIFICATE_SECRETS = 1000;

/** What the store needs. */
export interface CertificateStoreOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Told why a Secret gives no certificate. */
  readonly onProblem: (ingress: Ingress, message: string) => void;
}

interface Followed {
  readonly watch: ObjectWatch<Secret>;
  ingress: Ingress;
  context: SecureContext | undefined;
  /** Whether it was read, or reading it has failed once. */
  tried: boolean;
}

/** See the module. */
export class CertificateStore {
  readonly #options: CertificateStoreOptions;
  readonly #followed = new Map<string, Followed>();
  #byHost: ReadonlyMap<string, string> = new Map<string, string>();

  constructor(options: CertificateStoreOptions) {
    this.#options = options;
  }

  /** The certificate for a name: its own, else that of its wildcard, else the one for all. */
  find(servername: string): SecureContext | undefined {
    const dot = servername.indexOf(".");
    const hosts = [servername, dot > 0 ? `*${servername.slice(dot)}` : "", ""];
    for (const host of hosts) {
      const secret = this.#byHost.get(host);
      const context = secret === undefined ? undefined : this.#followed.get(secret)?.context;
      if (context !== undefined) return context;
    }
    return undefined;
  }

  /** Why clients may not get the certificates that there are yet. A Secret that cannot be read is not waited for twice. */
  whyNotReady(): string | undefined {
    const untried = [...this.#followed.values()].filter(({ tried }) => !tried).length;
    return untried === 0 ? undefined : `Secrets not read yet: ${untried}`;
  }

  /** Follows exactly the Secrets of these. */
  use(uses: readonly CertificateUse[]): void {
    const { client, clock, random, log, onProblem } = this.#options;
    const wanted = new Map(uses.map((use) => [use.secret, use.ingress]));
    for (const [secret, { watch }] of this.#followed) {
      if (wanted.has(secret)) continue;
      this.#followed.delete(secret);
      void watch.stop();
    }
    for (const [secret, ingress] of wanted) {
      const known = this.#followed.get(secret);
      if (known !== undefined) {
        known.ingress = ingress;
        continue;
      }
      if (this.#followed.size >= MAX_CERTIFICATE_SECRETS) {
        onProblem(ingress, `Secret ${secret} is not read: ${MAX_CERTIFICATE_SECRETS} others are`);
        continue;
      }
      const [namespace = "", name = ""] = secret.split("/");
      const followed: Followed = {
        ingress,
        context: undefined,
        tried: false,
        watch: new ObjectWatch<Secret>({
          client,
          collection: resourcePath("secrets", { namespace }),
          name,
          clock,
          random,
          onChange: (object) => this.#take(secret, followed, object),
          onError: (error) => {
            followed.tried = true;
            log.warn("a Secret cannot be followed", { secret, error });
          },
        }),
      };
      this.#followed.set(secret, followed);
      followed.watch.start();
    }
    this.#byHost = new Map(uses.map(({ host, secret }) => [host, secret]));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#followed.values()].map(({ watch }) => watch.stop()));
  }

  #take(name: string, followed: Followed, secret: Secret | undefined): void {
    const { onProblem } = this.#options;
    followed.tried = true;
    if (secret === undefined) {
      followed.context = undefined;
      return onProblem(followed.ingress, `Secret ${name} does not exist`);
    }
    const cert = secret.data?.["tls.crt"];
    const key = secret.data?.["tls.key"];
    if (cert === undefined || key === undefined) {
      return onProblem(followed.ingress, `Secret ${name} lacks tls.crt or tls.key`);
    }
    try {
      // A bad replacement leaves the certificate before it in place.
      followed.context = createSecureContext({ cert: Buffer.from(cert, "base64"), key: Buffer.from(key, "base64") });
    } catch {
      // The error's text may quote key material; what it says is not for an Event.
      onProblem(followed.ingress, `Secret ${name} holds no certificate with its key`);
    }
  }
}
