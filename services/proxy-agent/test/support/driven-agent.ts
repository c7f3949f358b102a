/** An agent with its bus in a node of a lab, as the test sees it: orders to the driver, and whether anybody was ever turned away. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Lab, type LabAt, LabConnection, type LabHost } from "@fairlead/netlab";
import type { DriverOrder } from "./agent-driver.ts";

const driver = fileURLToPath(new URL("agent-driver.ts", import.meta.url));

/** See the module. */
export class DrivenAgent implements AsyncDisposable {
  readonly #child: ChildProcess;
  #told: (message: { readonly answer?: string; readonly error?: string }) => void = () => undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (message: { readonly answer?: string; readonly error?: string }) => this.#told(message));
    child.on("exit", () => this.#told({ error: "the driver has ended" }));
  }

  /** Starts the driver in node-1; the agent is yet to be started. */
  static async beside(lab: Lab, folder: string): Promise<DrivenAgent> {
    const child = lab
      .node(1)
      .namespace.run(() =>
        spawn(process.execPath, [driver, folder], { stdio: ["ignore", "inherit", "inherit", "ipc"] }),
      );
    const driven = new DrivenAgent(child);
    await driven.#answer();
    return driven;
  }

  /** Has an order done; rejects with what went wrong. */
  async order(order: DriverOrder): Promise<string> {
    this.#child.send(order);
    return this.#answer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }

  async #answer(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<{ readonly answer?: string; readonly error?: string }>();
    this.#told = resolve;
    const { answer = "", error } = await promise;
    if (error !== undefined) throw new Error(error);
    return answer;
  }
}

/** Clients that connect again and again, and some that stay: nobody may ever be turned away. */
export class Visitors {
  /** New connections that were answered. */
  answered = 0;
  /** What happened instead, each once. */
  readonly failures = new Map<string, number>();
  readonly #stayed: { readonly name: string; readonly connection: LabConnection }[] = [];
  #open = true;
  #loops: Promise<void>[] = [];

  /** Lets a client connect to the address over and over, `atOnce` times beside each other. */
  come(host: LabHost, at: LabAt, atOnce: number): void {
    for (let index = 0; index < atOnce; index++) this.#loops.push(this.#visit(host, at));
  }

  /** Opens connections that stay. */
  async stay(name: string, host: LabHost, at: LabAt, count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const connection = await host.open(at);
      if (connection instanceof LabConnection) this.#stayed.push({ name: `${name} ${index}`, connection });
      else this.#failed(`${name}: ${connection.kind}`);
    }
  }

  /** Says something on every connection that stays, and hears whether it comes back. */
  async talk(): Promise<void> {
    for (const { name, connection } of this.#stayed) {
      try {
        if ((await connection.say(name)) !== name) this.#failed(`${name}: garbled`);
      } catch (error) {
        this.#failed(`${name}: ${String(error)}`);
      }
    }
  }

  /** Ends all of it. */
  async leave(): Promise<void> {
    this.#open = false;
    await Promise.all(this.#loops);
    this.#loops = [];
    for (const { connection } of this.#stayed.splice(0)) connection.close();
  }

  async #visit(host: LabHost, at: LabAt): Promise<void> {
    while (this.#open) {
      const { kind } = await host.ask(at);
      if (kind === "answered") this.answered += 1;
      else this.#failed(`${host.name}: ${kind}`);
    }
  }

  #failed(what: string): void {
    this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
  }
}
