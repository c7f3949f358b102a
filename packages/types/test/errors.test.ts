import { expect, it } from "vitest";
import { CodedError, InvalidInputError } from "../src/errors.ts";

it("an invalid input is told apart by its code, and says which field and why", () => {
  const error = new InvalidInputError("spec.ports[0].port", "must be 1 to 65535");
  expect(error).toBeInstanceOf(CodedError);
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    code: "INVALID_INPUT",
    field: "spec.ports[0].port",
    reason: "must be 1 to 65535",
  });
  expect(error.message).toBe("spec.ports[0].port: must be 1 to 65535");
  expect(String(error)).toBe("InvalidInputError: spec.ports[0].port: must be 1 to 65535");
});

it("an invalid input keeps its cause", () => {
  const cause = new SyntaxError("Unexpected end of JSON input");
  expect(new InvalidInputError("message", "is not JSON", { cause }).cause).toBe(cause);
  expect("cause" in new InvalidInputError("message", "is not JSON")).toBe(false);
});
