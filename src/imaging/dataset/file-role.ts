import { parseBidsName } from './bids-name.ts';
import { canonicalModality } from './modality.ts';

/** What a single file of a scan can be: a modality by its canonical name, a mask, or a tissue map. */
export const FILE_ROLES = [
  'FLAIR',
  'T1w',
  'T2w',
  'PDw',
  'ce-gadolinium_T1w',
  'lesions',
  'brain',
  'GM',
  'WM',
  'CSF',
] as const;
/** What a file is for a scan: one of {@link FILE_ROLES}. */
export type FileRole = (typeof FILE_ROLES)[number];

/** Roles that are images of the scanner's. */
export const MODALITY_ROLES: readonly FileRole[] = FILE_ROLES.slice(0, 5);

const TISSUE_BY_SPM: Readonly<Record<string, FileRole>> = { '1': 'GM', '2': 'WM', '3': 'CSF' };

/** Words of file names, the first that fits wins: masks and contrast agents before the modality they are named after. */
const WORDS: readonly (readonly [role: FileRole, pattern: RegExp])[] = [
  ['brain', /\bbrain ?mask\b|\bmask brain\b|\bbet mask\b/],
  ['lesions', /\blesions?\b|\blesionmask\b|\bconsensus\b|\bgt\b|\btruth\b|\bmask\d*\b|\broi\b/],
  ['GM', /\bgm\b/],
  ['WM', /\bwm\b/],
  ['CSF', /\bcsf\b/],
  ['FLAIR', /\bflair\d*\b/],
  ['ce-gadolinium_T1w', /\bt1w?(ce|c|gd|km|ks)\b|\bt1w? (ce|gd|gado|gadolinium|post|km)\b|\bgd t1w?\b/],
  ['T1w', /\bt1w?\b|\bmprage\b|\bt1 ?weighted\b/],
  ['T2w', /\bt2w?\b|\bt2 ?weighted\b/],
  ['PDw', /\bpdw?\b/],
];

/**
 * What a NIfTI file most likely is, by its name alone: BIDS names, those of the ISBI 2015 challenge, SPM's tissue
 * maps (`c1…`), and the words that people use (`patient3_FLAIR.nii`, `t1_gd.nii.gz`, `consensus_gt.nii`).
 * @param path folders are ignored.
 * @returns undefined where the name tells nothing, and for probability maps of lesions.
 */
export function guessRole(path: string): FileRole | undefined {
  const name = path.split('/').at(-1) ?? '';
  const stem = name.replace(/\.nii(\.gz)?$/i, '');
  const spm = /^c([123])(?=\D|$)/.exec(stem);
  if (spm) return TISSUE_BY_SPM[spm[1]!];
  const bids = parseBidsName(name);
  if (bids) {
    const label = bids.entities.get('label') ?? bids.entities.get('desc');
    if (bids.suffix === 'probseg') return FILE_ROLES.find((role) => role === label && role.length <= 3);
    if (bids.suffix === 'mask') return label === 'brain' ? 'brain' : 'lesions';
    const modality = canonicalModality(bids.suffix);
    const wanted = bids.entities.has('ce') ? `ce-gadolinium_${modality}` : modality;
    const found = MODALITY_ROLES.find((role) => role === wanted);
    if (found) return found;
  }
  const words = stem.toLowerCase().replace(/[^a-z0-9]+/g, ' ');
  return WORDS.find(([, pattern]) => pattern.test(words))?.[0];
}
