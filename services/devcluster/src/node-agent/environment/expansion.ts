/** `$(NAME)` in a container's command, arguments and variables. */

/**
 * Replaces `$(NAME)` by what `lookup` knows; an unknown name stays as it is written, and `$$` is a plain `$`, so `$$(NAME)`
 * is never replaced. Rule: Kubernetes API reference, Container.command.
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (found, name: string | undefined) =>
    name === undefined ? "$" : (lookup(name) ?? found),
  );
}
