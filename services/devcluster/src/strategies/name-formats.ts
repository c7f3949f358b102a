/**
 * The formats of names in the Kubernetes API (apimachinery `util/validation`). Each check answers with what is wrong, in the
 * API's words; an empty list means the text is fine.
 */

/** Longest name of an object (RFC 1123 subdomain). */
export const subdomainLimit = 253;
/** Longest DNS label. */
export const labelLimit = 63;

const label1123 = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const subdomain1123 = `${label1123}(\\.${label1123})*`;
const label1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const qualifiedPart = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const configKeyFormat = "[-._a-zA-Z0-9]+";

/** A rule for one kind of name. */
export type NameRule = (text: string) => string[];

/** Namespace, container and port names. */
export const dnsLabel: NameRule = format({
  pattern: label1123,
  limit: labelLimit,
  rule:
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', " +
    "and must start and end with an alphanumeric character",
  examples: ["my-name", "123-abc"],
});

/** What most objects may be called. */
export const dnsSubdomain: NameRule = format({
  pattern: subdomain1123,
  limit: subdomainLimit,
  rule:
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " +
    "and must start and end with an alphanumeric character",
  examples: ["example.com"],
});

/** What a Service may be called: its name becomes an environment variable. */
export const dns1035Label: NameRule = format({
  pattern: label1035,
  limit: labelLimit,
  rule:
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', " +
    "start with an alphabetic character, and end with an alphanumeric character",
  examples: ["my-name", "abc-123"],
});

/** Value of a label; may be empty. */
export const labelValue: NameRule = format({
  pattern: "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
  limit: labelLimit,
  rule:
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', " +
    "and must start and end with an alphanumeric character",
  examples: ["MyValue", "my_value", "12345"],
});

const qualifiedNamePart: NameRule = format({
  pattern: qualifiedPart,
  limit: labelLimit,
  rule: "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  examples: ["MyName", "my.name", "123-abc"],
});

/** Key of a ConfigMap or a Secret. */
export const configKey: NameRule = (text) => {
  if (text === "." || text === "..") return [`must not be '${text}'`];
  if (text.startsWith("..")) return ["must not start with '..'"];
  return configKeyCharacters(text);
};

const configKeyCharacters = format({
  pattern: configKeyFormat,
  limit: subdomainLimit,
  rule: "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  examples: ["key.name", "KEY_NAME", "key-name"],
});

/** Label keys, annotation keys and the like: an optional DNS subdomain with a slash before the name. */
export const qualifiedName: NameRule = (text) => {
  const parts = text.split("/");
  if (parts.length > 2) {
    const rule = qualifiedNamePart("-")[0] ?? "";
    return [`a qualified name ${rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const name = parts.at(-1) ?? "";
  const prefix = parts.length === 2 ? (parts[0] ?? "") : undefined;
  const faults: string[] = [];
  if (prefix === "") faults.push("prefix part must be non-empty");
  else if (prefix !== undefined) faults.push(...dnsSubdomain(prefix).map((fault) => `prefix part ${fault}`));
  if (name === "") return [...faults, "name part must be non-empty"];
  return [...faults, ...qualifiedNamePart(name).map((fault) => `name part ${fault}`)];
};

/** Name of a container port that probes and Services may point at (IANA service name). */
export const portName: NameRule = (text) => {
  const faults: string[] = [];
  if (text.length > 15) faults.push("must be no more than 15 characters");
  if (!/^[-a-z0-9]*$/.test(text)) {
    faults.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!/[a-z]/.test(text)) faults.push("must contain at least one letter (a-z)");
  if (text.includes("--")) faults.push("must not contain consecutive hyphens");
  if (/^-|-$/.test(text)) faults.push("must not begin or end with a hyphen");
  return faults;
};

/** Name of an environment variable, as relaxed since Kubernetes 1.32. */
export const environmentName: NameRule = (text) =>
  /^[ -<>-~]+$/.test(text)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];

/** The same rule for a generateName, which may end in a dash. */
export function asPrefix(rule: NameRule): NameRule {
  return (text) => rule(text.length > 1 && text.endsWith("-") ? `${text.slice(0, -1)}a` : text);
}

/** The check of a port number. */
export function portNumber(value: number): string[] {
  return Number.isInteger(value) && value >= 1 && value <= 65535 ? [] : ["must be between 1 and 65535, inclusive"];
}

function format(o: { pattern: string; limit: number; rule: string; examples: readonly string[] }): NameRule {
  const pattern = new RegExp(`^${o.pattern}$`);
  const examples = o.examples.map((example) => `'${example}'`).join(",  or ");
  const fault = `${o.rule} (e.g. ${examples}, regex used for validation is '${o.pattern}')`;
  return (text) => {
    // The length first: it bounds what the pattern has to look at.
    if (Buffer.byteLength(text) > o.limit) return [`must be no more than ${o.limit} bytes`];
    return pattern.test(text) ? [] : [fault];
  };
}
