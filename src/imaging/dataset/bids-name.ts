/** A BIDS file name taken apart: `sub-07_ce-gadolinium_T1w.nii.gz`. */
export interface BidsName {
  /** The file name as it was. */
  readonly name: string;
  /** Entities in order of appearance, `sub` and `ses` among them. */
  readonly entities: ReadonlyMap<string, string>;
  readonly suffix: string;
}

// Extensions in capitals come from old tools; the rest of a name is case-sensitive in BIDS.
const NAME = /^((?:[a-zA-Z]+-[a-zA-Z0-9+]+_)+)([a-zA-Z0-9]+)\.(?:nii|NII)(?:\.(?:gz|GZ))?$/;

/** Takes a NIfTI file's name apart; `undefined` where it is none of BIDS, which keeps odd characters out. */
export function parseBidsName(name: string): BidsName | undefined {
  const match = NAME.exec(name);
  if (!match) return undefined;
  const entities = new Map<string, string>();
  for (const part of match[1]!.slice(0, -1).split('_')) {
    const at = part.indexOf('-');
    const key = part.slice(0, at);
    if (entities.has(key)) return undefined;
    entities.set(key, part.slice(at + 1));
  }
  return { name, entities, suffix: match[2]! };
}

/** Label of a `sub-XX` or `ses-YY` folder; `undefined` where the name is no such folder or holds odd characters. */
export function folderLabel(name: string, entity: 'sub' | 'ses'): string | undefined {
  return new RegExp(`^${entity}-([a-zA-Z0-9+]+)$`).exec(name)?.[1];
}

/**
 * Orders candidates for one purpose: fewest entities beyond `expected` first (a plain `T1w` before an
 * `acq-`, `rec-` or `space-` one), then the lowest run, then by name with .nii before .nii.gz.
 */
export function compareCandidates(a: BidsName, b: BidsName, expected: readonly string[]): number {
  const extra = (n: BidsName): number => [...n.entities.keys()].filter((k) => !expected.includes(k)).length;
  const run = (n: BidsName): number => Number.parseInt(n.entities.get('run') ?? '0', 10) || 0;
  return extra(a) - extra(b) || run(a) - run(b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}
