/** Numbers of handlers, by which the maps name them, and which handlers are in use. */
import { chainName, type Handler } from "./handler.ts";
import { word } from "../kernel/element-bytes.ts";
import { type FlatElement, firstHandlerNumber, maxHandlers } from "./layout.ts";

/** A handler with its number. */
export interface Numbered {
  readonly handler: Handler;
  readonly number: number;
  /** The number as elements have it. */
  readonly data: Uint8Array;
  users: number;
  /** Nothing has used it for one whole round of {@link HandlerNumbers.idle}. */
  idle: boolean;
}

/** See the module. A handler that nothing uses keeps its chain for a while: numbers of endpoints go up and down again. */
export class HandlerNumbers {
  readonly #byName = new Map<string, Numbered>();
  readonly #remembered = new Map<string, number>();
  readonly #taken = new Set<number>();
  #next = 1;

  /** Numbers that chains had in an earlier run. */
  remember(numbers: ReadonlyMap<string, number>): void {
    for (const [name, number] of numbers) {
      this.#remembered.set(name, number);
      this.#taken.add(number);
    }
  }

  /** Counts a use. One that is new needs a chain: `onNew` is told of it, and of the element that leads there. */
  use(handler: Handler, onNew: (handler: Handler, element: FlatElement) => void): Numbered {
    const name = chainName(handler);
    const known = this.#byName.get(name);
    if (known !== undefined) {
      known.users += 1;
      known.idle = false;
      return known;
    }
    const number = this.#remembered.get(name) ?? this.#free();
    const numbered: Numbered = { handler, number, data: word(number), users: 1, idle: false };
    this.#byName.set(name, numbered);
    onNew(handler, elementOf(handler, number));
    return numbered;
  }

  /** Ends a use. */
  leave(numbered: Numbered): void {
    numbered.users -= 1;
  }

  /** Elements of all that are there. */
  *elements(): Iterable<FlatElement> {
    for (const { handler, number } of this.#byName.values()) yield elementOf(handler, number);
  }

  *all(): Iterable<Handler> {
    for (const { handler } of this.#byName.values()) yield handler;
  }

  /** Forgets and returns those that were without use at the last call already. */
  idle(): readonly { readonly handler: Handler; readonly element: FlatElement }[] {
    const gone: { handler: Handler; element: FlatElement }[] = [];
    for (const [name, known] of this.#byName) {
      if (known.users > 0) continue;
      if (!known.idle) {
        known.idle = true;
        continue;
      }
      gone.push({ handler: known.handler, element: elementOf(known.handler, known.number) });
      this.#byName.delete(name);
      this.#remembered.delete(name);
      this.#taken.delete(known.number);
    }
    return gone;
  }

  #free(): number {
    for (let tries = 0; tries < maxHandlers; tries++) {
      const number = (firstHandlerNumber + this.#next) >>> 0;
      this.#next = this.#next === maxHandlers ? 1 : this.#next + 1;
      if (this.#taken.has(number)) continue;
      this.#taken.add(number);
      return number;
    }
    throw new RangeError(`there are ${maxHandlers} handlers already`);
  }
}

function elementOf(handler: Handler, number: number): FlatElement {
  return {
    set: handler.kind.startsWith("pod") ? "pod-handlers" : "handlers",
    key: word(number),
    goto: chainName(handler),
  };
}
