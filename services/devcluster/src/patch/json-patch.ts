/** JSON patch (RFC 6902): a list of operations, all of which succeed or none is applied. */
import { ApiError, badRequest } from "../api/errors.ts";
import { copyOf, isObject, MAX_NESTING, nestsWithin, sameJson } from "./json-value.ts";
import type { JsonObject } from "./json-value.ts";
import { parsePointer, read, remove, write } from "./json-pointer.ts";

/** Operations in one patch; Kubernetes' own bound. */
export const MAX_PATCH_OPERATIONS = 10_000;

/** Bytes of JSON that the `copy` operations of one patch may create together: a small patch must not build a large object. */
export const MAX_COPIED_BYTES = 3 * 1024 * 1024;

/**
 * A new document; `current` is not changed. Throws ApiError 400 for what is no JSON patch and 422 for an operation that
 * cannot be carried out (RFC 5789 section 2.2), naming it by its index.
 */
export function applyJsonPatch(patch: unknown, current: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest("a JSON patch is a list of operations");
  if (patch.length > MAX_PATCH_OPERATIONS) {
    throw new ApiError(
      413,
      "RequestEntityTooLarge",
      `The allowed maximum operations in a JSON patch is ${MAX_PATCH_OPERATIONS}, got ${patch.length}`,
    );
  }
  // The root is one level down so that an operation on the whole document ("") is like any other.
  const holder = { document: copyOf(current) };
  const budget = { copied: 0 };
  for (const [index, operation] of patch.entries()) {
    if (!isObject(operation)) throw badRequest(`operation ${index} of the JSON patch is not an object`);
    try {
      apply(operation, holder, budget);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const text = `operation ${index} of the JSON patch (${String(operation["op"])}): ${error.message}`;
      throw error.malformed ? badRequest(text) : new ApiError(422, "Invalid", text);
    }
  }
  return holder.document;
}

/** Why an operation was not carried out: the patch is no patch (`malformed`), or it does not fit the document. */
class Refusal extends Error {
  readonly malformed: boolean;

  constructor(message: string, malformed: boolean) {
    super(message);
    this.malformed = malformed;
  }
}

function apply(operation: JsonObject, holder: { document: unknown }, budget: { copied: number }): void {
  const path = pointer(operation, "path");
  switch (operation["op"]) {
    case "add":
      return check(write(holder, path, copyOf(valueOf(operation)), "insert"));
    case "remove":
      return check(remove(holder, path));
    case "replace":
      return check(write(holder, path, copyOf(valueOf(operation)), "replace"));
    case "move": {
      const from = pointer(operation, "from");
      if (isProperPrefix(from, path)) throw new Refusal("a value cannot be moved into itself", false);
      const found = lookUp(holder, from);
      check(remove(holder, from));
      return check(write(holder, path, found, "insert"));
    }
    case "copy": {
      const found = lookUp(holder, pointer(operation, "from"));
      if (!nestsWithin(found)) throw new Refusal(`the value nests deeper than ${MAX_NESTING} levels`, false);
      budget.copied += JSON.stringify(found).length;
      if (budget.copied > MAX_COPIED_BYTES) throw new Refusal(`copies exceed ${MAX_COPIED_BYTES} bytes`, false);
      return check(write(holder, path, copyOf(found), "insert"));
    }
    case "test":
      if (!sameJson(lookUp(holder, path), valueOf(operation))) {
        throw new Refusal(`the value at ${JSON.stringify(operation["path"])} is another`, false);
      }
      return;
    default:
      throw new Refusal("the operation must be one of add, copy, move, remove, replace, test", true);
  }
}

function pointer(operation: JsonObject, member: "path" | "from"): readonly string[] {
  const text = operation[member];
  const tokens = typeof text === "string" ? parsePointer(text) : undefined;
  if (!tokens) throw new Refusal(`${member} must be a JSON pointer, got ${JSON.stringify(text) ?? "nothing"}`, true);
  if (tokens.length > MAX_NESTING) throw new Refusal(`${member} is deeper than ${MAX_NESTING} levels`, true);
  return tokens;
}

function valueOf(operation: JsonObject): unknown {
  if (!Object.hasOwn(operation, "value")) throw new Refusal("value is missing", true);
  return operation["value"];
}

function lookUp(holder: { document: unknown }, path: readonly string[]): unknown {
  const found = read(holder, path);
  if ("fault" in found) throw new Refusal(found.fault, false);
  return found.value;
}

function check(fault: string | undefined): void {
  if (fault !== undefined) throw new Refusal(fault, false);
}

function isProperPrefix(prefix: readonly string[], path: readonly string[]): boolean {
  return prefix.length < path.length && prefix.every((token, index) => token === path[index]);
}
