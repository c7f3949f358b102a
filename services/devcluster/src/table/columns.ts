/** What a table is made of: column definitions, and for each resource a function from an object to its cells. */

/** A column as the API describes it. Columns of priority 1 show with `kubectl get -o wide` only. */
export interface ColumnDefinition {
  readonly name: string;
  readonly type: "string" | "integer";
  readonly format: "" | "name";
  readonly description: string;
  readonly priority: 0 | 1;
}

export type Cell = string | number;

/** A note on a row that lets a client fade finished pods. */
export interface RowCondition {
  readonly type: "Completed";
  readonly status: "True";
  readonly reason: string;
  readonly message: string;
}

/** The table of one resource. */
export interface ResourceTable<T> {
  readonly columns: readonly ColumnDefinition[];
  /** One cell a column; `now` in milliseconds since the epoch. */
  readonly cells: (object: T, now: number) => readonly Cell[];
  readonly conditions?: (object: T) => readonly RowCondition[];
}

export const NONE = "<none>";
export const UNKNOWN = "<unknown>";
export const UNSET = "<unset>";

/** How many hosts, ports or endpoints a cell lists before `+ N more...`. */
export const LISTED_IN_CELL = 3;

export const nameColumn: ColumnDefinition = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name of the object, unique among its kind in the namespace.",
  priority: 0,
};

export const ageColumn: ColumnDefinition = text("Age", "Time since the object was created.");

export function text(name: string, description: string): ColumnDefinition {
  return { name, type: "string", format: "", description, priority: 0 };
}

export function integer(name: string, description: string): ColumnDefinition {
  return { name, type: "integer", format: "", description, priority: 0 };
}

export function wide(column: ColumnDefinition): ColumnDefinition {
  return { ...column, priority: 1 };
}

/** The first {@link LISTED_IN_CELL} entries and how many there are besides; `empty` if there is none. */
export function abridged(entries: readonly string[], empty: string): string {
  if (entries.length === 0) return empty;
  const shown = entries.slice(0, LISTED_IN_CELL).join(",");
  const more = entries.length - LISTED_IN_CELL;
  return more > 0 ? `${shown} + ${more} more...` : shown;
}
