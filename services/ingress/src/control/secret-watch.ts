/** Follows one Secret by name, so that no right to list Secrets is needed: read, then watched, for as long as it runs. */
import { resourcePath } from "@fairlead/kube";
import type { KubeClient, Secret } from "@fairlead/kube";
import type { Clock, Random } from "@fairlead/types";

/** Wait after a failure or a watch's end, in milliseconds, doubled up to the second, each ± 50 %. */
export const FIRST_RETRY_MS = 200;
export const LONGEST_RETRY_MS = 10_000;
/** How long the server is asked to keep the watch, in seconds. */
const watchSeconds = 300;
/** Silence after which a watch is dead, in milliseconds. */
const idleMs = (watchSeconds + 30) * 1000;

/** What a watch needs. */
export interface SecretWatchOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Told of each state; undefined means that there is none. */
  readonly onChange: (secret: Secret | undefined) => void;
  readonly onError: (error: unknown) => void;
}

/** See the module. */
export class SecretWatch {
  readonly #options: SecretWatchOptions;
  readonly #abort = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: SecretWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { onError } = this.#options;
    const { signal } = this.#abort;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#follow();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        onError(error);
      }
      if (!signal.aborted) await this.#pause(Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures, 16), LONGEST_RETRY_MS));
    }
  }

  async #follow(): Promise<void> {
    const { client, namespace, name, onChange } = this.#options;
    const { signal } = this.#abort;
    const secret = await client.find("secrets", { namespace, name });
    if (signal.aborted) return;
    onChange(secret);
    const version = secret?.metadata?.resourceVersion;
    await client.transport.stream(
      {
        method: "GET",
        path: resourcePath("secrets", { namespace }),
        query: {
          watch: true,
          fieldSelector: `metadata.name=${name}`,
          timeoutSeconds: watchSeconds,
          ...(version === undefined ? {} : { resourceVersion: version }),
        },
        signal,
      },
      {
        idleMs,
        onLine: (line) => {
          if (signal.aborted) return;
          const event = JSON.parse(line) as { type: string; object: Secret };
          if (event.type === "ERROR") throw new Error("the watch has fallen behind");
          if (event.object.metadata?.name !== name) return;
          if (event.type === "DELETED") onChange(undefined);
          else if (event.type !== "BOOKMARK") onChange(event.object);
        },
      },
    );
  }

  async #pause(ms: number): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#abort;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const cancel = clock.setTimer(ms * (0.5 + random()), wake);
    signal.addEventListener("abort", wake, { once: true });
    await promise;
    cancel();
    signal.removeEventListener("abort", wake);
  }
}
