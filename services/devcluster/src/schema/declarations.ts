/** Reads what a model of the client library only says in its declaration file: descriptions, and which fields are required. */

export interface Declaration {
  readonly description: string;
  /** By property name as in TypeScript. */
  readonly properties: ReadonlyMap<string, { readonly description: string; readonly required: boolean }>;
}

/** Parses a generated `.d.ts` file. Lines it does not know are skipped, so a change of the generator costs text, not the whole. */
export function parseDeclaration(source: string): Declaration {
  const properties = new Map<string, { description: string; required: boolean }>();
  let description = "";
  let comment = "";
  for (const line of source.split("\n").map((text) => text.trim())) {
    if (line === "/**") comment = "";
    else if (line.startsWith("* ")) comment = comment === "" ? line.slice(2) : `${comment} ${line.slice(2)}`;
    else if (line.startsWith("export declare class ")) {
      description = readable(comment);
      comment = "";
    } else {
      const property = /^'(?<name>\w+)'(?<optional>\?)?:/.exec(line)?.groups;
      if (property?.["name"] === undefined) continue;
      properties.set(property["name"], {
        description: readable(comment),
        required: property["optional"] === undefined,
      });
      comment = "";
    }
  }
  return { description, properties };
}

/** Undoes the generator's escapes; it wrote paragraph breaks as two spaces. */
function readable(comment: string): string {
  return comment
    .replaceAll(/\\(?<char>["'\\])/g, "$<char>")
    .replaceAll("*_/", "*/")
    .replaceAll(/ {2,}/g, "\n\n")
    .trim();
}
