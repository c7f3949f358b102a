import { describe, expect, test } from "vitest";
import { files, codeOf, importsOf, sources, units } from "./tree.ts";

const services = new Set(units.filter((unit) => unit.group === "services").map((unit) => unit.manifest.name));
const unitOf = (file: string): string => file.split("/").slice(0, 2).join("/");
const nameOf = (file: string): string => units.find((unit) => unit.folder === unitOf(file))?.manifest.name ?? "";

describe("the direction of dependencies", () => {
  test("there are units to check", () => {
    expect(units.length).toBeGreaterThan(8);
    expect(sources.length).toBeGreaterThan(50);
  });

  test("types depends on nothing", () => {
    const manifest = units.find((unit) => unit.folder === "packages/types")?.manifest;
    expect(Object.keys(manifest?.dependencies ?? {})).toEqual([]);
  });

  test("no service imports another, and only the launcher imports services", () => {
    const wrong = sources.flatMap((file) =>
      importsOf(file)
        .filter((name) => [...services].some((service) => name === service || name.startsWith(`${service}/`)))
        .filter(() => unitOf(file) !== "packages/cli")
        .map((name) => `${file} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test("tsyringe has one import site, and only compose.ts imports the wiring", () => {
    const tsyringe = files.filter((file) => file.endsWith(".ts") && importsOf(file).includes("tsyringe"));
    expect(tsyringe).toEqual(["packages/host/src/wiring.ts"]);
    const wiring = sources.filter((file) => importsOf(file).includes("@fairlead/host/wiring"));
    expect(wiring.filter((file) => !/^services\/[^/]+\/src\/compose\.ts$/.test(file))).toEqual([]);
  });

  test("the client library is loaded in one place, and only where it is needed: it is most of a small service's memory", () => {
    const library = "@kubernetes/client-node";
    const names = sources.filter((file) => importsOf(file).includes(library));
    expect(names.filter((file) => unitOf(file) !== "packages/kube")).toEqual([]);
    const atOnce = names.filter((file) => new RegExp(`^import (?!type)[^;]*"${library}"`, "m").test(codeOf(file)));
    expect(atOnce).toEqual([]);
    const later = names.filter((file) => codeOf(file).includes(`import("${library}")`));
    expect(later).toEqual(["packages/kube/src/library-endpoint.ts"]);
  });

  test("the testkit, the lab and testing modules are imported from tests only", () => {
    const wrong = sources.flatMap((file) =>
      importsOf(file)
        .filter((name) => /^@fairlead\/(?:testkit|netlab)$/.test(name) || /^@fairlead\/[^/]+\/testing$/.test(name))
        .map((name) => `${file} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test("every import of another unit is declared in the manifest, and none reaches into another unit's folder", () => {
    const all = files.filter((file) => /^(packages|services)\/[^/]+\/(src|test|bench)\/.*\.ts$/.test(file));
    const wrong = all.flatMap((file) => {
      const manifest = units.find((unit) => unit.folder === unitOf(file))?.manifest;
      const declared = new Set([
        ...Object.keys(manifest?.dependencies ?? {}),
        ...Object.keys(manifest?.devDependencies ?? {}),
      ]);
      return importsOf(file)
        .filter((name) => name.startsWith("@fairlead/") || /(^|\/)\.\.\/(packages|services)\//.test(name))
        .map((name) => name.split("/").slice(0, 2).join("/"))
        .filter((name) => name !== nameOf(file) && !declared.has(name))
        .map((name) => `${file} imports ${name}`);
    });
    expect(wrong).toEqual([]);
  });

  test("every version of a dependency stands in the catalog", () => {
    const wrong = units.flatMap(({ folder, manifest }) =>
      Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
        .filter(([, version]) => version !== "catalog:" && version !== "workspace:*")
        .map(([name, version]) => `${folder}: ${name} ${version}`),
    );
    expect(wrong).toEqual([]);
  });
});
