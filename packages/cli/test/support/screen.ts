/** A terminal as far as the launcher uses one: it wraps at its width, moves the cursor up and wipes what is below. */

/** See the module. */
export class Screen {
  readonly #columns: number;
  #rows: string[] = [""];
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** The rows as they can be read, without trailing blanks and the last, empty one. */
  get rows(): readonly string[] {
    const rows = this.#rows.map((row) => row.trimEnd());
    return rows.at(-1) === "" ? rows.slice(0, -1) : rows;
  }

  write(text: string): void {
    // oxlint-disable-next-line no-control-regex -- escape codes are the point
    for (const [piece, up, , other] of text.matchAll(/\u001B\[(\d+)A|(\u001B\[0J)|(\u001B\[\d+m)|[^\u001B]/gu)) {
      if (up !== undefined) {
        this.#row -= Number(up);
        if (this.#row < 0) throw new Error("the cursor left the screen");
        this.#column = 0;
      } else if (piece === "\u001B[0J") {
        this.#rows = [...this.#rows.slice(0, this.#row), this.#rows[this.#row]?.slice(0, this.#column) ?? ""];
      } else if (other === undefined) {
        this.#put(piece);
      }
    }
  }

  #put(character: string): void {
    if (character === "\n") {
      this.#newRow();
      return;
    }
    if (this.#column === this.#columns) this.#newRow();
    const row = this.#rows[this.#row] ?? "";
    this.#rows[this.#row] = row.slice(0, this.#column) + character + row.slice(this.#column + 1);
    this.#column++;
  }

  #newRow(): void {
    this.#row++;
    this.#column = 0;
    if (this.#row === this.#rows.length) this.#rows.push("");
  }
}
