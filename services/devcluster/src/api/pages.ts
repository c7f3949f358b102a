/** Lists in pages. A page token says where the page before ended and which point in time the list began at. */
import type { KubeObject } from "@fairlead/kube/objects";
import { badRequest } from "./errors.ts";

/** What a token holds. */
export interface PagePosition {
  readonly revision: string;
  readonly namespace: string;
  readonly name: string;
}

/** Longest token that is looked at, in characters: two names and a number, with room to spare. */
export const maxTokenLength = 1024;

/** Makes a token; opaque to clients. */
export function encodeToken(position: PagePosition): string {
  return Buffer.from(JSON.stringify([1, position.revision, position.namespace, position.name])).toString("base64url");
}

/** Reads a token; throws BadRequest. */
export function decodeToken(token: string): PagePosition {
  if (token.length <= maxTokenLength) {
    try {
      const parts: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
      if (Array.isArray(parts) && parts.length === 4 && parts[0] === 1) {
        const [, revision, namespace, name] = parts as unknown[];
        if (typeof revision === "string" && typeof namespace === "string" && typeof name === "string") {
          return { revision, namespace, name };
        }
      }
    } catch {
      // Falls through to the one answer for every unreadable token.
    }
  }
  throw badRequest("continue key is not valid");
}

/** Objects after the position, out of a list in order of namespace and name. */
export function after(objects: readonly KubeObject[], position: PagePosition): readonly KubeObject[] {
  const first = objects.findIndex(({ metadata }) => {
    const { namespace = "", name = "" } = metadata ?? {};
    return namespace > position.namespace || (namespace === position.namespace && name > position.name);
  });
  return first < 0 ? [] : objects.slice(first);
}
