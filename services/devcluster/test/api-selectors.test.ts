import { describe, expect, test } from "vitest";
import { fieldMatcher, labelMatcher, maxSelectorLength } from "../src/api/selectors.ts";
import { refusal } from "./api-fixture.ts";

const web = { app: "web", tier: "front", "example.org/stage": "test", size: "10", empty: "" };

describe("label selectors", () => {
  test.each([
    ["", true],
    ["app=web", true],
    ["app==web", true],
    ["app = web", true],
    ["app=db", false],
    ["app!=db", true],
    ["app!=web", false],
    ["missing!=web", true],
    ["missing=", false],
    ["empty=", true],
    ["empty", true],
    ["app", true],
    ["missing", false],
    ["!missing", true],
    ["!app", false],
    ["! app", false],
    ["app in (web)", true],
    ["app in (db, web)", true],
    ["app in (db)", false],
    ["missing in (web)", false],
    ["app notin (db,cache)", true],
    ["app notin (db,web)", false],
    ["missing notin (web)", true],
    ["example.org/stage=test", true],
    ["app=web,tier=front", true],
    ["app=web,tier=back", false],
    ["app in (web,db),tier notin (back),!missing,size", true],
    ["size>9", true],
    ["size>10", false],
    ["size<11", true],
    ["app>1", false],
    ["toString", false],
    ["!constructor", true],
  ])("%j matches: %j", (selector, matches) => {
    expect(labelMatcher(selector)(web)).toBe(matches);
  });

  test("an object without labels matches what asks for absence", () => {
    expect(labelMatcher("!app")(undefined)).toBe(true);
    expect(labelMatcher("app")(undefined)).toBe(false);
  });

  test.each([
    "app=web=db",
    "app in web",
    "app in (web",
    ",",
    "app,,tier",
    "=web",
    "app>many",
    "-app",
    "app=two words",
    "a".repeat(64),
    "a".repeat(maxSelectorLength + 1),
  ])("%j is refused", (selector) => {
    expect(refusal(() => labelMatcher(selector)).code).toBe("BadRequest");
  });
});

describe("field selectors", () => {
  const fields = { "metadata.name": "web", "status.phase": "Running", "spec.odd": "a,b=c" };

  test.each([
    ["metadata.name=web", true],
    ["metadata.name==web", true],
    ["metadata.name!=web", false],
    ["metadata.name=db", false],
    ["status.phase=Running,metadata.name=web", true],
    ["status.phase!=Succeeded,status.phase!=Failed", true],
    ["spec.unset=", true],
    [String.raw`spec.odd=a\,b\=c`, true],
  ])("%j matches: %j", (selector, matches) => {
    expect(fieldMatcher(selector).matches(fields)).toBe(matches);
  });

  test.each(["metadata.name", "=web", "a=b=c"])("%j is refused", (selector) => {
    expect(refusal(() => fieldMatcher(selector)).code).toBe("BadRequest");
  });
});
