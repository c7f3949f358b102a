/** Schemas that are there once they are loaded. */
import type { Startable } from "@fairlead/host";
import type { KindName, SchemaSource } from "./parts.ts";

/** Loads when it starts; answers from then on, and throws before. */
export class LoadedSchemas implements SchemaSource, Startable {
  readonly name = "schemas";
  readonly #load: () => Promise<SchemaSource>;
  #schemas: SchemaSource | undefined;

  constructor(options: { load: () => Promise<SchemaSource> }) {
    this.#load = options.load;
  }

  async start(): Promise<void> {
    this.#schemas = await this.#load();
  }

  async stop(): Promise<void> {
    // Nothing is held but memory.
  }

  openapiIndex(): object {
    return this.#loaded().openapiIndex();
  }

  openapiDocument(path: string): object | undefined {
    return this.#loaded().openapiDocument(path);
  }

  validate(kind: KindName, object: object): ReturnType<SchemaSource["validate"]> {
    return this.#loaded().validate(kind, object);
  }

  prune<T extends object>(kind: KindName, object: T): T {
    return this.#loaded().prune(kind, object);
  }

  #loaded(): SchemaSource {
    if (!this.#schemas) throw new Error("the schemas are not loaded yet");
    return this.#schemas;
  }
}
