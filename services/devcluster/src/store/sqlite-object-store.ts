/**
 * The objects in one SQLite file, all of them parsed in memory as well. Every write is one transaction in the write-ahead log
 * (synchronous NORMAL): what was acknowledged survives the death of the process, `kill -9` included. A power cut may cost the
 * last moments, never the consistency; FULL would cost an fsync per request, which a development tool has no use for.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Startable } from "@fairlead/host";
import type { KubeObject } from "@fairlead/kube/objects";
import type { ResourceName } from "../api/resources.ts";
import { ObjectTooLargeError, StoreInUseError, StoreUnreadableError } from "./errors.ts";
import { freezeJson } from "./json.ts";
import { ObjectIndex } from "./object-index.ts";
import { maxObjectBytes, type ObjectStore, type StoreEvent, type Write } from "./object-store.ts";

/** Layout of the tables; a file with another number is refused, not guessed at. */
const layoutVersion = 1;

const tables = `
  CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL,
    revision INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY (resource, namespace, name)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY CHECK (id = 0), value INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO revision VALUES (0, 0);
  PRAGMA user_version = ${layoutVersion};
`;

interface Connection {
  readonly database: DatabaseSync;
  readonly put: StatementSync;
  readonly remove: StatementSync;
  readonly advance: StatementSync;
}

/** See the module. `path` is the database file, or `:memory:`. Use it between `start` and `stop` only. */
export class SqliteObjectStore implements ObjectStore, Startable {
  readonly name = "object store";
  readonly #path: string;
  #connection: Connection | undefined;
  #index = new ObjectIndex();
  #revision = 0;

  constructor(options: { path: string }) {
    this.#path = options.path;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Opens the file and reads it all; throws {@link StoreInUseError} or {@link StoreUnreadableError}. */
  async start(): Promise<void> {
    this.open();
  }

  /** The same as {@link start}, at once. */
  open(): void {
    if (this.#path !== ":memory:") mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const database = this.#acquire();
    try {
      this.#read(database);
    } catch (error) {
      database.close();
      throw error;
    }
    this.#connection = {
      database,
      put: database.prepare("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)"),
      remove: database.prepare("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?"),
      advance: database.prepare("UPDATE revision SET value = ? WHERE id = 0"),
    };
    if (this.#path !== ":memory:") writeFileSync(this.#ownerFile, `${process.pid}\n`, { mode: 0o600 });
  }

  async stop(): Promise<void> {
    this.close();
  }

  /** The same as {@link stop}, at once. */
  close(): void {
    if (!this.#connection) return;
    if (this.#path !== ":memory:") rmSync(this.#ownerFile, { force: true });
    this.#connection.database.close();
    this.#connection = undefined;
  }

  find(resource: ResourceName, namespace: string, name: string): KubeObject | undefined {
    return this.#index.find(resource, namespace, name);
  }

  list(resource: ResourceName, namespace?: string): readonly KubeObject[] {
    return this.#index.list(resource, namespace);
  }

  write(writes: readonly Write[]): StoreEvent[] {
    const { database, put, remove, advance } = this.#open();
    const events: StoreEvent[] = [];
    let revision = this.#revision;
    database.exec("BEGIN IMMEDIATE");
    try {
      for (const write of writes) {
        const event = this.#event(write, revision + 1);
        if (!event) continue;
        revision = event.revision;
        events.push(event);
        const { namespace = "", name = "", uid = "" } = event.object.metadata ?? {};
        if (event.type === "DELETED") remove.run(event.resource, namespace, name);
        else put.run(event.resource, namespace, name, uid, revision, encode(event.object));
      }
      advance.run(revision);
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
    this.#revision = revision;
    for (const event of events) this.#apply(event);
    return events;
  }

  #event(write: Write, revision: number): StoreEvent | undefined {
    const { resource } = write;
    if (write.op === "put") {
      const metadata = (write.object.metadata ??= {});
      metadata.resourceVersion = String(revision);
      const previous = this.#index.find(resource, metadata.namespace ?? "", metadata.name ?? "");
      return { type: previous ? "MODIFIED" : "ADDED", resource, revision, object: freezeJson(write.object), previous };
    }
    const previous = this.#index.find(resource, write.namespace, write.name);
    if (!previous) return undefined;
    const metadata = { ...previous.metadata, resourceVersion: String(revision) };
    return { type: "DELETED", resource, revision, object: freezeJson({ ...previous, metadata }), previous };
  }

  #apply({ type, resource, object }: StoreEvent): void {
    const { namespace = "", name = "" } = object.metadata ?? {};
    if (type === "DELETED") this.#index.delete(resource, namespace, name);
    else this.#index.put(resource, namespace, name, object);
  }

  get #ownerFile(): string {
    return `${this.#path}.owner`;
  }

  #open(): Connection {
    if (!this.#connection) throw new StoreUnreadableError(this.#path, "it is not open");
    return this.#connection;
  }

  // The exclusive lock is the kernel's: it goes with the process, however that ends, so no stale lock is ever left.
  #acquire(): DatabaseSync {
    const database = new DatabaseSync(this.#path);
    try {
      database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
      database.exec("BEGIN EXCLUSIVE; COMMIT;");
      return database;
    } catch (cause) {
      database.close();
      const message = cause instanceof Error ? cause.message : String(cause);
      if (message.includes("locked")) throw new StoreInUseError(this.#path, this.#owner(), { cause });
      throw new StoreUnreadableError(this.#path, message, { cause });
    }
  }

  #owner(): string {
    try {
      return `process ${readFileSync(this.#ownerFile, "utf8").trim()}`;
    } catch {
      return "another process";
    }
  }

  #read(database: DatabaseSync): void {
    const { user_version: found } = database.prepare("PRAGMA user_version").get() as { user_version: number };
    if (found !== 0 && found !== layoutVersion) {
      throw new StoreUnreadableError(this.#path, `its layout is number ${found}, this version reads ${layoutVersion}`);
    }
    database.exec(tables);
    this.#index = new ObjectIndex();
    const rows = database.prepare("SELECT resource, namespace, name, json FROM objects").iterate();
    for (const row of rows) {
      const { resource, namespace, name, json } = row as Record<"resource" | "namespace" | "name" | "json", string>;
      this.#index.put(resource as ResourceName, namespace, name, freezeJson(JSON.parse(json) as KubeObject));
    }
    this.#revision = (database.prepare("SELECT value FROM revision").get() as { value: number }).value;
  }
}

function encode(object: KubeObject): string {
  const json = JSON.stringify(object);
  const bytes = json.length > maxObjectBytes ? json.length : Buffer.byteLength(json);
  if (bytes > maxObjectBytes) throw new ObjectTooLargeError(bytes, maxObjectBytes);
  return json;
}
