import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { temporaryDirectory } from "@fairlead/testkit";
import { InvalidInputError, ipAddress, port } from "@fairlead/types";
import { describe, expect, expectTypeOf, onTestFinished, test } from "vitest";
import {
  commonOptions,
  ConfigError,
  defineOptions,
  HelpRequested,
  option,
  type ConfigIssue,
  type ConfigSources,
  type FileDialect,
} from "../src/index.ts";

const options = defineOptions("unit", {
  ...commonOptions({ healthAddress: "127.0.0.1:0" }),
  apiPort: option.port({ default: 6443, describe: "Port of the API" }),
  stateDir: option.path({ default: ".fairlead", describe: "State" }),
  nodes: option.integer({ default: 2, min: 1, max: 100, describe: "Nodes" }),
  mode: option.choice({ values: ["full", "publish"], default: "full", describe: "Mode" }),
  serviceCidr: option.cidr({ default: "127.96.0.0/16", describe: "Services" }),
  natsUrl: option.string({ optional: true, describe: "Bus" }),
  natsPassword: option.string({ optional: true, secret: true, describe: "Password" }),
  resync: option.duration({ default: "10s", describe: "Resync" }),
  resolvers: option.list({ item: (text) => ipAddress(text), default: [], describe: "Resolvers" }),
  zones: option.list({ default: ["cluster.local"], describe: "Zones" }),
  color: option.boolean({ default: true, describe: "Color" }),
  nodeIp: option.ip({ optional: true, describe: "Address" }),
});

type Values = ReturnType<typeof options.read>;

function read(argv: readonly string[] = [], env: ConfigSources["env"] = {}): Values {
  return options.read({ argv, env });
}

function issuesOf(argv: readonly string[], env: ConfigSources["env"] = {}): readonly ConfigIssue[] {
  try {
    read(argv, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.issues;
    throw error;
  }
  return [];
}

async function file(content: string, name = "config.yaml"): Promise<string> {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory.remove());
  const path = join(directory.path, name);
  await writeFile(path, content);
  return path;
}

test("has the defaults when nothing is given", () => {
  expect(read()).toEqual({
    logLevel: "info",
    healthAddress: "127.0.0.1:0",
    apiPort: 6443,
    stateDir: resolve(".fairlead"),
    nodes: 2,
    mode: "full",
    serviceCidr: "127.96.0.0/16",
    natsUrl: undefined,
    natsPassword: undefined,
    resync: 10_000,
    resolvers: [],
    zones: ["cluster.local"],
    color: true,
    nodeIp: undefined,
  });
});

test("gives each value the type of its option", () => {
  const values = read();
  expectTypeOf(values.mode).toEqualTypeOf<"full" | "publish">();
  expectTypeOf(values.natsUrl).toEqualTypeOf<string | undefined>();
  expectTypeOf(values.apiPort).toEqualTypeOf<number>();
  expectTypeOf(values.resync).toEqualTypeOf<number>();
  expectTypeOf(values.zones).toEqualTypeOf<readonly string[]>();
  expect(values.mode).toBe("full");
});

test("takes a flag before a variable before the file before the default", async () => {
  const config = await file("apiPort: 3\nnodes: 3\nmode: publish\n");
  const values = read(["--config", config, "--api-port", "1"], {
    FAIRLEAD_API_PORT: "2",
    FAIRLEAD_NODES: "2",
    FAIRLEAD_MODE: "",
  });
  expect([values.apiPort, values.nodes, values.mode, values.resync]).toEqual([1, 2, "publish", 10_000]);
});

describe("flags", () => {
  test("take their value from the same or the next argument; the last one wins", () => {
    expect(read(["--nodes=3"]).nodes).toBe(3);
    expect(read(["--nodes", "4"]).nodes).toBe(4);
    expect(read(["--nodes", "4", "--nodes=5"]).nodes).toBe(5);
    expect(read(["--nats-url=nats://a?b=c"]).natsUrl).toBe("nats://a?b=c");
  });

  test("of a boolean stand alone", () => {
    expect(read(["--color"], { FAIRLEAD_COLOR: "false" }).color).toBe(true);
    expect(read(["--no-color"]).color).toBe(false);
    expect(read(["--color=false"]).color).toBe(false);
    expect(read([], { FAIRLEAD_COLOR: "0" }).color).toBe(false);
    expect(issuesOf(["--no-color=true"])).toMatchObject([{ field: "color", reason: "takes no value" }]);
    expect(issuesOf(["--no-nodes"])).toMatchObject([
      { field: "--no-nodes", reason: expect.stringContaining("unknown") },
    ]);
  });

  test("of a list add up, and so do commas", () => {
    expect(read(["--zones", "a,b", "--zones", " c ,"]).zones).toEqual(["a", "b", "c"]);
    expect(read(["--resolvers", "::1,127.0.0.1"]).resolvers).toEqual(["::1", "127.0.0.1"]);
  });

  test("without their value are refused", () => {
    expect(issuesOf(["--nodes"])).toEqual([{ field: "nodes", source: "--nodes", reason: "a value must follow" }]);
    expect(issuesOf(["--nodes", "--color"])).toHaveLength(1);
  });

  test("that nobody knows are refused with the nearest name", () => {
    expect(issuesOf(["--api-prot", "1", "extra"])).toEqual([
      { field: "--api-prot", source: "the command line", reason: "unknown flag, did you mean --api-port?" },
      { field: "extra", source: "the command line", reason: "unexpected argument" },
    ]);
    expect(issuesOf(["--something-else"])).toMatchObject([{ reason: "unknown flag" }]);
  });

  test("may have a negative number or text with a dash as value", () => {
    expect(issuesOf(["--nodes", "-1"])).toMatchObject([{ field: "nodes", reason: "must be from 1 to 100, not -1" }]);
    expect(read(["--nats-url", "-x"]).natsUrl).toBe("-x");
  });
});

describe("the file", () => {
  test("may be YAML or JSON, with values of YAML's types or as text", async () => {
    const yaml = await file('nodes: "3"\ncolor: false\nzones: [a, b]\nresync: 5m\nnatsUrl: null\n');
    expect(read(["--config", yaml])).toMatchObject({ nodes: 3, color: false, zones: ["a", "b"], resync: 300_000 });
    const json = await file('{"nodes": 4, "zones": "x,y"}', "config.json");
    expect(read([], { FAIRLEAD_CONFIG: json })).toMatchObject({ nodes: 4, zones: ["x", "y"] });
    expect(read(["--config", await file("# nothing\n")]).nodes).toBe(2);
  });

  test("is refused with the nearest name when it holds an unknown option", async () => {
    const config = await file("apiport: 1\n__proto__: 2\ntoString: 3\n");
    expect(issuesOf(["--config", config])).toMatchObject([
      { field: "apiport", source: config, reason: "unknown option, did you mean apiPort?" },
      { field: "__proto__", reason: "unknown option" },
      { field: "toString", reason: expect.stringContaining("unknown option") },
    ]);
  });

  test("is refused when it cannot be read, is no mapping, no YAML, or too large", async () => {
    const reasons = async (content: string): Promise<readonly ConfigIssue[]> =>
      issuesOf(["--config", await file(content)]);
    expect(issuesOf(["--config", "/nonexistent"])).toMatchObject([
      { field: "config", reason: expect.stringContaining("ENOENT") },
    ]);
    expect(await reasons("- a\n- b\n")).toMatchObject([{ reason: "must be a mapping of option to value" }]);
    expect(await reasons("a: [1,\nsecret: x")).toMatchObject([{ field: "config" }]);
    expect(await reasons(`a: ${"x".repeat(1_048_576)}`)).toMatchObject([
      { reason: "must not be larger than 1048576 bytes" },
    ]);
  });

  test("does not reveal its content when it is no YAML", async () => {
    const error = JSON.stringify(issuesOf(["--config", await file("natsPassword: [hunter2\n")]));
    expect(error).toContain("config");
    expect(error).not.toContain("hunter2");
  });
});

test("reports everything that is wrong at once, each with its source", async () => {
  const config = await file("serviceCidr: 10.0.0.1/8\nnodes: many\nbogus: 1\n");
  const env = { FAIRLEAD_MODE: "half", FAIRLEAD_HEALTH_ADDRESS: "127.0.0.1" };
  const issues = issuesOf(["--config", config, "--api-port", "70000", "--resync", "10"], env);
  expect(issues.map(({ field, source }) => [field, source])).toEqual([
    ["bogus", config],
    ["healthAddress", "FAIRLEAD_HEALTH_ADDRESS"],
    ["apiPort", "--api-port"],
    ["nodes", config],
    ["mode", "FAIRLEAD_MODE"],
    ["serviceCidr", config],
    ["resync", "--resync"],
  ]);
  const thrown = (): unknown => read(["--api-port", "70000", "--nodes", "0"]);
  expect(thrown).toThrow(ConfigError);
  expect(thrown).toThrow(
    "the configuration of unit is refused:\n" +
      "  apiPort (from --api-port): must be from 0 to 65535, not 70000\n" +
      "  nodes (from --nodes): must be from 1 to 100, not 0",
  );
});

test("refuses values of the wrong kind", () => {
  const wrong: Record<string, string> = {
    "--nodes": "2.5",
    "--api-port": "0x10",
    "--color": "maybe",
    "--node-ip": "127.0.0.256",
    "--resync": "10 s",
    "--resolvers": "127.0.0.1,localhost",
    "--health-address": "127.0.0.1:99999",
    "--log-level": "loud",
  };
  const accepted = Object.entries(wrong).filter(([flag, value]) => issuesOf([`${flag}=${value}`]).length !== 1);
  expect(accepted).toEqual([]);
});

test("never shows a secret", () => {
  const secret = defineOptions("unit", {
    password: option.string({ secret: true, default: "hunter1", describe: "Password" }),
    pin: option.integer({ secret: true, describe: "Pin" }),
  });
  const attempt = (): unknown => secret.read({ argv: ["--pin=hunter2"], env: {} });
  expect(attempt).toThrow("the value is a secret and not shown");
  expect(attempt).not.toThrow("hunter");
  expect(secret.help()).not.toContain("hunter");
});

test("demands what has no default, once", () => {
  const required = defineOptions("unit", { nodeName: option.string({ describe: "Node" }) });
  const reasons = (argv: string[]): readonly string[] => {
    try {
      required.read({ argv, env: {} });
    } catch (error) {
      return (error as ConfigError).issues.map(({ reason }) => reason);
    }
    return [];
  };
  expect(reasons([])).toEqual(["is required: give --node-name or FAIRLEAD_NODE_NAME"]);
  expect(reasons(["--node-name"])).toEqual(["a value must follow"]);
  expect(reasons(["--node-name="])).toEqual(["must not be empty"]);
  expect(required.read({ argv: [], env: { FAIRLEAD_NODE_NAME: "node-1" } })).toEqual({ nodeName: "node-1" });
});

test("takes kinds of a service's own", () => {
  const range = option.custom({
    kind: "first-last",
    default: "1-2",
    describe: "Range",
    read: (text) => {
      const [first, last] = text.split("-").map(Number);
      if (!first || !last) throw new InvalidInputError("", "must be a range such as 1-2");
      return { first, last };
    },
  });
  const own = defineOptions("unit", { range });
  expect(own.read({ argv: [], env: {} }).range).toEqual({ first: 1, last: 2 });
  expect(own.help()).toContain("--range first-last\n      Range (default: 1-2)");
  expect(() => own.read({ argv: ["--range", "x"], env: {} })).toThrow("must be a range such as 1-2");
});

describe("beyond single options", () => {
  const limits = defineOptions("unit", {
    low: option.integer({ default: 1, describe: "Low" }),
    high: option.integer({ default: 9, describe: "High" }),
  });
  const check: NonNullable<Parameters<typeof limits.read>[1]>["check"] = ({ low, high }, given) =>
    low <= high
      ? []
      : [{ field: "low", source: given.get("low")?.source ?? "nowhere", reason: "must not exceed high" }];

  test("a service says what does not go together, once every value by itself is right", () => {
    expect(() => limits.read({ argv: ["--low", "10"], env: {} }, { check })).toThrow(
      "low (from --low): must not exceed high",
    );
    expect(() => limits.read({ argv: ["--low", "10", "--high", "x"], env: {} }, { check })).not.toThrow("exceed");
    expect(limits.read({ argv: ["--low", "9"], env: {} }, { check })).toEqual({ low: 9, high: 9 });
  });

  test("another program's file is read by its dialect, and refused by the names it has there", async () => {
    const dialect: FileDialect = {
      claims: (content) => content["kind"] === "Limits",
      read: (content, path) => ({
        values: new Map([["low", { source: path, raw: content["lowest"], field: "lowest" }]]),
        issues: "odd" in content ? [{ field: "odd", source: path, reason: "unknown field" }] : [],
      }),
    };
    const readFile = async (text: string): Promise<unknown> =>
      limits.read({ argv: ["--config", await file(text)], env: {} }, { dialect });
    expect(await readFile("kind: Limits\nlowest: 5")).toEqual({ low: 5, high: 9 });
    expect(await readFile("low: 4")).toEqual({ low: 4, high: 9 });
    await expect(readFile("kind: Limits\nlowest: some\nodd: 1")).rejects.toThrow(
      /odd \(from .*\): unknown field\n {2}lowest \(from .*\): must be a whole number/,
    );
  });
});

test("reads durations in every unit", () => {
  const resync = (text: string): number => read(["--resync", text]).resync;
  expect(["0", "1.6ms", "250ms", "10s", "5m", "1.5h", "1h30m", "20d"].map(resync)).toEqual([
    0, 2, 250, 10_000, 300_000, 5_400_000, 5_400_000, 1_728_000_000,
  ]);
  expect(issuesOf(["--resync", "25d"])).toMatchObject([{ reason: "must be less than 25 days" }]);
});

test("refuses a default that its own option would refuse", () => {
  expect(() => option.cidr({ default: "10.0.0.1/8", describe: "x" })).toThrow("host bits");
  expect(() => option.integer({ default: 5, max: 4, describe: "x" })).toThrow("at most 4");
  expect(() => option.list({ item: (text) => port(Number(text)), default: ["0"], describe: "x" })).toThrow("port");
});

test("prints a help with every option on --help, whatever else is given", () => {
  expect(() => read(["--bogus", "--help"])).toThrow(HelpRequested);
  const help = options.help();
  expect(help).toContain("--api-port port\n      Port of the API (default: 6443)\n      FAIRLEAD_API_PORT");
  expect(help).toContain("--mode full|publish");
  expect(help).toContain("(default: 10s)");
  expect(help).toContain("--config path");
});
