// @peculiar/x509 uses tsyringe, which refuses to load without decorator metadata. Its own decorators find their way without any.
type Metadata = typeof Reflect &
  Record<"getMetadata" | "getOwnMetadata" | "defineMetadata", (() => undefined) | undefined>;
const reflect = Reflect as Metadata;
reflect.getMetadata ??= () => undefined;
reflect.getOwnMetadata ??= () => undefined;
reflect.defineMetadata ??= () => undefined;
