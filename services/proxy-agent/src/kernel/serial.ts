/** One thing after the other: each begins when the one before has settled. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `action` once everything before it has settled. */
  run<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(action);
    this.#last = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }
}
