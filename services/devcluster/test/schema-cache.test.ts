import { chmod, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "@fairlead/testkit";
import { describe, expect, it } from "vitest";
import { parseDeclaration } from "../src/schema/declarations.ts";
import { fieldType } from "../src/schema/field-types.ts";
import { loadSchemas } from "../src/schema/index.ts";

const SERVICE = { group: "", version: "v1", kind: "Service" };

describe("the schema cache", () => {
  it("is made by the first load and read by the next", async () => {
    await using directory = await temporaryDirectory();
    const cacheDirectories = [join(directory.path, "cache")];
    const first = await loadSchemas({ cacheDirectories });
    const files = await readdir(cacheDirectories[0] as string);
    expect(files.toSorted()).toEqual([
      expect.stringMatching(/^schema-descriptions-[\w.-]+\.json$/),
      expect.stringMatching(/^schemas-[\w.-]+\.json$/),
    ]);
    const second = await loadSchemas({ cacheDirectories });
    expect(second.openapiDocument("api/v1")).toEqual(first.openapiDocument("api/v1"));
  });

  it("goes to the next directory where it may not write, and does without where it may write nowhere", async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, "file");
    await writeFile(file, "");
    const blocked = join(file, "cache");
    const open = join(directory.path, "open");
    await loadSchemas({ cacheDirectories: [blocked, open] });
    expect(await readdir(open)).toHaveLength(2);
    const uncached = await loadSchemas({ cacheDirectories: [blocked] });
    expect(uncached.validate(SERVICE, { foo: 1 }).unknown).toEqual(["foo"]);
    expect(uncached.openapiDocument("api/v1")).toBeDefined();
  });

  it("derives anew from a cache that is broken", async () => {
    await using directory = await temporaryDirectory();
    const cacheDirectories = [directory.path];
    await loadSchemas({ cacheDirectories });
    for (const name of await readdir(directory.path)) {
      await chmod(join(directory.path, name), 0o644);
      await writeFile(join(directory.path, name), '{"V1Serv');
    }
    const schemas = await loadSchemas({ cacheDirectories });
    expect(schemas.validate(SERVICE, { foo: 1 }).unknown).toEqual(["foo"]);
  });

  it("serves documents without descriptions once those are gone", async () => {
    await using directory = await temporaryDirectory();
    const schemas = await loadSchemas({ cacheDirectories: [join(directory.path, "cache")] });
    await directory.remove();
    expect(schemas.openapiDocument("api/v1")?.components.schemas["io.k8s.api.core.v1.Service"]).toMatchObject({
      type: "object",
    });
  });
});

describe("reading the client library's declarations", () => {
  it("takes descriptions and what is optional, and undoes the escapes", () => {
    const declaration = parseDeclaration(`
/**
* Thing holds \\"things\\".
*/
export declare class V1Thing {
    /**
    * First line.  Second paragraph, it\\'s \\'*_/scale\\'.
    */
    'name': string;
    'note'?: string;
    static readonly discriminator: string | undefined;
}`);
    expect(declaration.description).toBe('Thing holds "things".');
    expect([...declaration.properties]).toEqual([
      ["name", { description: "First line.\n\nSecond paragraph, it's '*/scale'.", required: true }],
      ["note", { description: "", required: false }],
    ]);
  });

  it.each([
    ["string", "", { shape: "one", of: "string", model: false }],
    ["number", "int32", { shape: "one", of: "int32", model: false }],
    ["number", "double", { shape: "one", of: "number", model: false }],
    ["Array<V1Port>", "", { shape: "list", of: "V1Port", model: true }],
    ["Array<number>", "int64", { shape: "list", of: "int64", model: false }],
    ["{ [key: string]: string; }", "byte", { shape: "map", of: "bytes", model: false }],
    ["V1MicroTime", "date-time-micro", { shape: "one", of: "micro-time", model: false }],
    ["DiscoveryV1EndpointPort", "", { shape: "one", of: "DiscoveryV1EndpointPort", model: true }],
  ])("understands the type %s (%s)", (type, format, expected) => {
    const attribute = { name: "field", baseName: "field", type, format };
    expect(fieldType("V1Thing", attribute, false)).toEqual({ ...expected, required: false });
  });

  it("refuses a notation it does not know", () => {
    const attribute = { name: "field", baseName: "field", type: "Set<string>", format: "" };
    expect(() => fieldType("V1Thing", attribute, false)).toThrow("unknown type Set<string> of V1Thing.field");
  });
});
