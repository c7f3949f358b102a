import { createSocket } from "node:dgram";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import type { Pod } from "@fairlead/kube/objects";
import { eventually } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Harness } from "./node-agent-harness.ts";
import { isReady, startHarness } from "./node-agent-harness.ts";

let harness: Harness;

beforeAll(async () => {
  harness = await startHarness({ slot: 6 });
});

afterAll(() => harness[Symbol.asyncDispose]());

/** Runs an example image, ready once it listens on the port; gives its address. */
async function serve(
  name: string,
  image: string,
  options: { port: number; env?: Record<string, string> },
): Promise<string> {
  const env = Object.entries(options.env ?? {}).map(([key, value]) => ({ name: key, value }));
  const readinessProbe = { tcpSocket: { port: options.port }, periodSeconds: 1 };
  harness.run(name, { containers: [{ name: "app", image, env, readinessProbe }] });
  const pod = await harness.until(name, (found: Pod) => expect(isReady(found)).toBe(true));
  return pod.status?.podIP ?? "";
}

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
  readonly connection: string | undefined;
}

function ask(url: string, options: { method?: string; agent?: Agent; localAddress?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false, ...options }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      response.once("error", reject).once("end", () => {
        resolve({ status: response.statusCode, text, connection: response.headers.connection });
      });
    });
    asked.once("error", reject).end();
  });
}

describe.concurrent("kubia", () => {
  test("says who it is, in which version, on every port, and who asks", async () => {
    const host = await serve("kubia", "luksa/kubia:v2", { port: 8080, env: { EXTRA_PORTS: "8443" } });
    expect((await ask(`http://${host}:8080/`)).text).toBe("You've hit kubia (v2)\n");
    expect((await ask(`http://${host}:8443/`)).text).toBe("You've hit kubia (v2)\n");
    expect((await ask(`http://${host}:8080/client`, { localAddress: "127.0.0.9" })).text).toBe("127.0.0.9\n");
    expect((await ask(`http://${host}:8080/env`)).text).toContain(`POD_IP=${host}\n`);
  });

  test("fails after as many requests as it is told", async () => {
    const host = await serve("failing", "luksa/kubia-unhealthy", { port: 8080 });
    const statuses: (number | undefined)[] = [];
    for (let nth = 0; nth < 7; nth++) statuses.push((await ask(`http://${host}:8080/`)).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 500, 500]);
  });

  test("is told to end and still answers, finishes what is open, and ends by itself", async () => {
    const host = await serve("leaving", "luksa/kubia", { port: 8080, env: { LAME_DUCK_MS: "700" } });
    const slow = ask(`http://${host}:8080/slow?ms=1500`);
    harness.api.delete("pods", "default", "leaving");
    // Once it was told, it asks clients to go elsewhere, and serves them all the same.
    await eventually(
      async () =>
        expect(await ask(`http://${host}:8080/`, { agent: new Agent({ keepAlive: true }) })).toMatchObject({
          status: 200,
          connection: "close",
        }),
      {
        intervalMs: 5,
      },
    );
    expect((await slow).text).toBe("You've hit leaving\n");
    const states: unknown[] = [];
    const unwatch = harness.api.watch("pods", {}, ({ object }) => {
      if (object.metadata?.name === "leaving")
        states.push(object.status?.containerStatuses?.[0]?.state?.terminated?.exitCode);
    });
    await eventually(() => expect(harness.api.find("pods", "default", "leaving")).toBeUndefined());
    unwatch();
    expect(states.at(-1)).toBe(0);
  });
});

test("tcp-echo sends back what it gets and ends with the other side", async () => {
  const host = await serve("tcp", "fairlead/tcp-echo", { port: 7000, env: { GREETING: "yes" } });
  const socket = connect(7000, host);
  const pieces: string[] = [];
  socket.setEncoding("utf8").on("data", (piece: string) => pieces.push(piece));
  socket.end("hello\n");
  await once(socket, "close");
  expect(pieces.join("")).toBe("tcp\nhello\n");
});

test("udp-echo answers every datagram with its name", async () => {
  harness.run("udp", { containers: [{ name: "app", image: "fairlead/udp-echo" }] });
  await eventually(async () => expect(await harness.log("udp")).toContain("echoes UDP"));
  const socket = createSocket("udp4");
  socket.send("hello", 7001, harness.pod("udp").status?.podIP);
  const [message] = (await once(socket, "message")) as [Buffer];
  socket.close();
  expect(message.toString()).toBe("udp hello");
});

test("printenv prints its environment and stays", async () => {
  harness.run("printer", {
    containers: [{ name: "app", image: "fairlead/printenv", env: [{ name: "AAA", value: "first" }] }],
  });
  await eventually(async () => expect(await harness.log("printer")).toMatch(/^AAA=first\n[^]*\nPOD_IP=/));
  expect(harness.pod("printer").status?.phase).toBe("Running");
});
