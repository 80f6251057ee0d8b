import { canonicalJson, type Json } from '../../core/json.ts';
import type { PredictionKind } from '../dataset/prediction-path.ts';
import type { Cell, Column, Table } from '../evaluate/tables.ts';
import { dataDictionary, tableTsv } from '../report/table-files.ts';
import { partWords, regionWords, SMALL_MM, tellParts } from './part-words.ts';
import type { Part } from './parts.ts';

/** What was found of one label in one scan. */
export interface LabelParts {
  readonly label: string;
  readonly parts: readonly Part[];
  /** What a limit of the longest diameter took away; null if there was none. */
  readonly dropped: { readonly belowMm: number; readonly parts: number; readonly ml: number } | null;
  /** The regions that parts may be in; missing where they are not known. */
  readonly regions?: readonly string[];
}

/** What {@link LabelParts} come to: what the table of all scans and the page of a cohort are made from. */
export interface LabelSummary {
  readonly Label: string;
  readonly Count: number;
  readonly VolumeMl: number;
  /** Parts with a longest diameter below 3 mm, which are among the others. */
  readonly SmallCount: number;
  /** By region; missing where regions are not known. */
  readonly Regions?: Readonly<Record<string, { readonly Count: number; readonly VolumeMl: number }>>;
  readonly Dropped: { readonly BelowMm: number; readonly Count: number; readonly VolumeMl: number } | null;
  readonly BrainMl: number;
}

/** How the table of a label's parts is called: suffix `lesions`, or `parts`. */
export function partsKind(label: string): PredictionKind {
  return { label, suffix: partWords(label).suffix };
}

/** Sums of a label's parts. @param brainMl volume of the brain mask */
export function summarise({ label, parts, dropped, regions }: LabelParts, brainMl: number): LabelSummary {
  const sum = (list: readonly Part[]): { Count: number; VolumeMl: number } => ({
    Count: list.length,
    VolumeMl: list.reduce((ml, part) => ml + part.ml, 0),
  });
  return {
    Label: label,
    ...sum(parts),
    SmallCount: parts.filter(({ diameter }) => diameter < SMALL_MM).length,
    ...(regions
      ? {
          Regions: Object.fromEntries(
            regions.map((name) => [name, sum(parts.filter(({ region }) => region === name))]),
          ),
        }
      : {}),
    Dropped: dropped && { BelowMm: dropped.belowMm, Count: dropped.parts, VolumeMl: dropped.ml },
    BrainMl: brainMl,
  };
}

/** `34 lesions, 25.4 ml: 20 periventricular, 14 deep white matter (2 below 3 mm left out)`. */
export function tellSummary({ Label, Count, VolumeMl, Regions = {}, Dropped }: LabelSummary): string {
  const places = Object.entries(Regions)
    .filter(([, inside]) => inside.Count > 0)
    .map(([name, inside]) => `${inside.Count} ${regionWords(name)}`);
  const text = tellParts(Label, Count, VolumeMl);
  const where = places.length > 0 ? `: ${places.join(', ')}` : '';
  return `${text}${where}${Dropped ? ` (${Dropped.Count} below ${Dropped.BelowMm} mm left out)` : ''}`;
}

/** The table of a label's parts as BIDS has it; columns that nothing is known about are left out. */
export function partsFile({ label, parts, regions }: LabelParts, images: readonly string[]): Table {
  const { one } = partWords(label);
  const has = (known: (part: Part) => unknown): boolean => parts.some((part) => known(part) !== undefined);
  const place = (axis: string, to: string): Column => ({
    key: `${axis}_mm`,
    label: `Centre, ${axis}`,
    unit: 'mm',
    kind: 'number',
    description: `Scanner coordinate to the patient's ${to} of the voxel of the ${one} nearest its centre of mass`,
  });
  const columns: Column[] = [
    { key: 'id', label: 'Number', kind: 'number', description: 'From 1, largest volume first' },
    {
      key: 'volume_ml',
      label: 'Volume',
      unit: 'ml',
      kind: 'number',
      description: 'Number of voxels times the volume of a voxel',
    },
    {
      key: 'longest_diameter_mm',
      label: 'Longest diameter',
      unit: 'mm',
      kind: 'number',
      description: 'Largest distance between two centres of faces of its voxels (IBSI: maximum 3D diameter)',
    },
    {
      key: 'small',
      label: 'Small',
      kind: 'text',
      description: `Whether the longest diameter is below ${SMALL_MM} mm`,
      levels: { yes: `below ${SMALL_MM} mm`, no: `${SMALL_MM} mm or more` },
    },
    place('x', 'right'),
    place('y', 'front'),
    place('z', 'head'),
    ...(has(({ region }) => region)
      ? [
          {
            key: 'region',
            label: 'Region',
            kind: 'text',
            description: "Where in the brain it is, after McDonald's criteria",
            ...(regions
              ? { levels: Object.fromEntries(regions.map((name) => [name, regionWords(name)])) }
              : {}),
          } as const,
        ]
      : []),
    {
      key: 'mean_probability',
      label: 'Mean probability',
      kind: 'number',
      description: 'Of its voxels, by the network',
    },
    ...images.map(
      (name): Column => ({
        key: `contrast_${name}`,
        label: `Contrast in ${name}`,
        kind: 'number',
        description: `Mean intensity in it, less that of the brain within two voxels around it, over the standard deviation of the brain, in ${name}`,
      }),
    ),
  ];
  return {
    caption: `Each ${one}: voxels of the mask that touch by a face, an edge or a corner (26-connected)`,
    columns,
    rows: parts.map((part) => {
      const [x, y, z] = part.place;
      const contrasts = images.map((name): [string, Cell] => [`contrast_${name}`, part.contrast?.[name]]);
      return {
        id: part.number,
        volume_ml: part.ml,
        longest_diameter_mm: part.diameter,
        small: part.diameter < SMALL_MM ? 'yes' : 'no',
        x_mm: x,
        y_mm: y,
        z_mm: z,
        region: part.region,
        mean_probability: part.meanProbability,
        ...Object.fromEntries(contrasts),
      };
    }),
  };
}

/**
 * The table of a label's parts and the dictionary beside it.
 * @param provenance fields of the files' sidecars; undefined for none
 */
export function encodeParts(
  found: LabelParts,
  summary: LabelSummary,
  images: readonly string[],
  provenance: Readonly<Record<string, Json>> | undefined,
): { readonly tsv: Uint8Array; readonly json: Uint8Array } {
  const table = partsFile(found, images);
  return { tsv: tableTsv(table), json: encodeDictionary(table, { ...provenance, Summary: summary }) };
}

/** The JSON beside a table: what it is, its columns, and other fields. */
export function encodeDictionary(table: Table, fields: object = {}): Uint8Array {
  const content = { ...fields, Description: table.caption, ...dataDictionary(table) };
  return new TextEncoder().encode(`${canonicalJson(JSON.parse(JSON.stringify(content)) as Json, 2)}\n`);
}
