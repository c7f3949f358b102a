import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RecordingLogger, FakeClock, seededRandom, temporaryDirectory } from "@fairlead/testkit";
import { describe, expect, it } from "vitest";
import { bucketNames, createNatsFeed, createNatsPublisher } from "../src/nats/index.ts";
import type { NatsOptions } from "../src/nats/index.ts";
import { connectionOptions } from "../src/nats/options.ts";

const given = { clock: new FakeClock(), random: seededRandom(1), log: new RecordingLogger() };
const servers = "nats://127.0.0.1:4222";

describe("options of a feed over NATS", () => {
  it.each<[string, NatsOptions]>([
    ["servers", { servers: [] }],
    ["servers", { servers: "" }],
    ["bucket", { servers, bucket: "a.b" }],
    ["bucket", { servers, bucket: "" }],
    ["user, token", { servers, user: "a", token: "b" }],
    ["credsFile, nkey", { servers, credsFile: "a", nkey: "b" }],
    ["password", { servers, password: "a" }],
  ])("are refused where they can never work, and the error names %s", (field, options) => {
    const refused = expect.objectContaining({ code: "INVALID_INPUT", field });
    expect(() => createNatsFeed({ ...options, ...given })).toThrow(refused);
    expect(() => createNatsPublisher({ ...options, ...given })).toThrow(refused);
  });

  it("carry credentials to the client", async () => {
    const options = await connectionOptions(
      { servers: [servers], user: "u", password: "p", inboxPrefix: "_I" },
      "node-1",
    );
    expect(options).toMatchObject({ servers: [servers], user: "u", pass: "p", inboxPrefix: "_I", name: "node-1" });
    expect(await connectionOptions({ servers, token: "t" }, "n")).toMatchObject({ servers, token: "t" });
    const tls = { ca: "/ca.pem", cert: "/cert.pem", key: "/key.pem" };
    expect(await connectionOptions({ servers, tls }, "n")).toMatchObject({
      tls: { caFile: "/ca.pem", certFile: "/cert.pem", keyFile: "/key.pem" },
    });
    expect((await connectionOptions({ servers, tls: {} }, "n")).tls).toEqual({});
  });

  it("read the credentials file at each connect", async () => {
    await using directory = await temporaryDirectory();
    const credsFile = join(directory.path, "node.creds");
    await expect(connectionOptions({ servers, credsFile }, "n")).rejects.toThrow("ENOENT");
    await writeFile(credsFile, "credentials");
    expect((await connectionOptions({ servers, credsFile }, "n")).authenticator).toBeTypeOf("function");
  });

  it("name every subject after the bucket", () => {
    expect(bucketNames("east")).toEqual({
      stream: "KV_east",
      valuePrefix: "$KV.east.",
      changePrefix: "east.change.",
      beat: "east.beat",
    });
  });
});
