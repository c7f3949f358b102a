/**
 * Dependency wiring: typed tokens over tsyringe, bound to factories only. This is the one import site of tsyringe, and only a
 * service's `compose.ts` imports this module.
 */
import "./reflect-shim.ts";
import { container as root, instanceCachingFactory } from "tsyringe";

declare const provides: unique symbol;

/** A key for a value of type `T`. */
export type Token<T> = symbol & { readonly [provides]?: T };

/** Makes a token; the name shows up in errors. */
export function token<T>(name: string): Token<T> {
  return Symbol(name);
}

/** Gives a factory what it asks for. */
export type Resolve = <T>(wanted: Token<T>) => T;

/** One composition: every token is bound once, made once, on first use. */
export interface Wiring {
  /** Binds a token to a factory; throws on a second binding, which tsyringe would take silently. */
  bind<T>(target: Token<T>, make: (resolve: Resolve) => T): void;
  /** Binds a token to a value that exists already. */
  value<T>(target: Token<T>, value: T): void;
  /** The value; throws on an unbound token and on a cycle, naming the path (tsyringe would overflow the stack). */
  resolve: Resolve;
  /** Every bound token, for the test that resolves them all. */
  readonly tokens: readonly Token<unknown>[];
}

/** A wiring of its own, apart from tsyringe's global container. */
export function createWiring(): Wiring {
  const child = root.createChildContainer();
  const tokens: Token<unknown>[] = [];
  const path: symbol[] = [];
  const resolve: Resolve = <T>(wanted: Token<T>): T => {
    if (!tokens.includes(wanted)) throw new Error(`nothing is bound to ${trail([...path, wanted])}`);
    if (path.includes(wanted)) throw new Error(`these depend on each other: ${trail([...path, wanted])}`);
    path.push(wanted);
    try {
      return child.resolve<T>(wanted);
    } finally {
      path.pop();
    }
  };
  const bind = <T>(target: Token<T>, make: (resolve: Resolve) => T): void => {
    if (tokens.includes(target)) throw new Error(`${String(target.description)} is bound twice`);
    tokens.push(target);
    child.register<T>(target, { useFactory: instanceCachingFactory(() => make(resolve)) });
  };
  return { bind, value: (target, value) => bind(target, () => value), resolve, tokens };
}

function trail(path: readonly symbol[]): string {
  return path.map((step) => step.description ?? "?").join(" -> ");
}
