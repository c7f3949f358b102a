// tsyringe refuses to load without decorator metadata. Factories need none, so an answer of "there is none" is enough.
const reflect = Reflect as typeof Reflect & { getMetadata?: () => undefined };
reflect.getMetadata ??= () => undefined;
