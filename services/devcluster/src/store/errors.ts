/** What can go wrong with the object store, apart from what a single request did. */
import { CodedError } from "@fairlead/types";

/** Thrown when another process has the store open. */
export class StoreInUseError extends CodedError {
  readonly code = "STORE_IN_USE";

  constructor(path: string, owner: string, options?: ErrorOptions) {
    super(`${path} is in use by ${owner}: stop that one first, or choose another --state-dir`, options);
    this.name = "StoreInUseError";
  }
}

/** Thrown when what lies at the store's path cannot be read as a store of this version. */
export class StoreUnreadableError extends CodedError {
  readonly code = "STORE_UNREADABLE";

  constructor(path: string, why: string, options?: ErrorOptions) {
    super(`${path} cannot be read: ${why}`, options);
    this.name = "StoreUnreadableError";
  }
}

/** Thrown when one object is larger than {@link limitBytes}; nothing of its write is stored. */
export class ObjectTooLargeError extends CodedError {
  readonly code = "OBJECT_TOO_LARGE";
  readonly limitBytes: number;

  constructor(bytes: number, limitBytes: number) {
    super(`an object of ${bytes} bytes is over the limit of ${limitBytes}`);
    this.name = "ObjectTooLargeError";
    this.limitBytes = limitBytes;
  }
}
