/** Why a port cannot be had, in words that say what to do about it. */

/** Why `place` (address:port) cannot be bound. */
export function whyNot(error: unknown, place: string): string {
  const code = codeOf(error);
  if (code === "EACCES") return `${place} may not be bound without privileges`;
  if (code === "EADDRINUSE") return `${place} is in use`;
  return `${place} cannot be bound (${error instanceof Error ? error.message : String(error)})`;
}

/** Whether it is one of the reasons that come up on a machine where all is well. */
export function isForeseen(error: unknown): boolean {
  return ["EACCES", "EADDRINUSE"].includes(codeOf(error) ?? "");
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
