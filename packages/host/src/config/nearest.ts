/** Guessing what a mistyped name was meant to be. */

/** A name further away than this many edits is no likely slip of the finger. */
const MAX_EDITS = 3;

/** Names longer than this are not compared. */
const MAX_LENGTH = 60;

/** `, did you mean X?` for the known name nearest to `name`, or an empty text. */
export function nearest(name: string, known: Iterable<string>): string {
  let best: string | undefined;
  let fewest = Math.min(MAX_EDITS, Math.ceil(name.length / 2)) + 1;
  for (const candidate of known) {
    const edits = editsBetween(name, candidate);
    if (edits < fewest) [best, fewest] = [candidate, edits];
  }
  return best === undefined ? "" : `, did you mean ${best}?`;
}

/** Levenshtein's distance, without regard to case. */
function editsBetween(left: string, right: string): number {
  if (Math.max(left.length, right.length) > MAX_LENGTH) return MAX_LENGTH;
  const [a, b] = [left.toLowerCase(), right.toLowerCase()];
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
  }
  return row[b.length] ?? 0;
}
