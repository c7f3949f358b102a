/** A `T` that went through a constructor of this package: a bare `T` does not fit where a brand is asked for. */
export type Brand<T, Name extends string> = T & { readonly __brand: Name };
