/** A namespace as the network sees it: all it needs to know is that there is one. */

/** See the module. */
export interface Namespace {
  readonly name: string;
}
