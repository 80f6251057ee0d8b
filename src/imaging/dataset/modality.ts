/** Names that users and data sets give to the same contrast; the first of each row is BIDS's and ours. */
const ALIASES: readonly (readonly string[])[] = [
  ['FLAIR', 'flair'],
  ['T1w', 't1w', 't1', 'mprage'],
  ['T2w', 't2w', 't2'],
  ['PDw', 'pdw', 'pd'],
];

/** The name we use for a modality: `mprage`, `MPRAGE` and `t1` are `T1w`; a name without aliases is its own. */
export function canonicalModality(name: string): string {
  const wanted = name.trim();
  const row = ALIASES.find((names) => names.slice(1).includes(wanted.toLowerCase()));
  return row?.[0] ?? wanted;
}

/** FLAIR, T1w, T2w, PDw, then the others by name: the order of channels where none is asked for. */
export function compareModalities(a: string, b: string): number {
  const rank = (name: string): number => {
    const at = ALIASES.findIndex((names) => names[0] === name);
    return at < 0 ? ALIASES.length : at;
  };
  return rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0);
}

/** The key of `available` that a wanted name means, or `undefined`: by alias first, then whatever the case. */
export function findModality(available: Iterable<string>, wanted: string): string | undefined {
  const name = canonicalModality(wanted);
  const keys = [...available];
  return keys.find((key) => key === name) ?? keys.find((key) => key.toLowerCase() === name.toLowerCase());
}
