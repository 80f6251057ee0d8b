import { formatThreshold } from '../../imaging/evaluate/labels.ts';
import type { Table } from '../../imaging/evaluate/tables.ts';
import { factList, type HtmlValue, html } from '../../imaging/report/html.ts';
import type { ExperimentResults } from './experiment-results.ts';

/** Every trained net: its file, whom it was trained on, and its threshold. */
export function modelTable({ plan, sources }: ExperimentResults): Table {
  return {
    caption: 'Every trained net: whom it was trained on, and its file',
    columns: [
      { key: 'unit', label: 'Unit', kind: 'text' },
      { key: 'trainedOn', label: 'Trained on', kind: 'text' },
      { key: 'threshold', label: 'Threshold, chosen on them', kind: 'text' },
      { key: 'model', label: 'SHA-256 of the model', kind: 'text' },
    ],
    rows: plan.units.flatMap(({ id }) => {
      const source = sources.get(id);
      if (!source) return [];
      const { trainedOn, threshold, model } = source;
      return [
        {
          unit: id,
          trainedOn: trainedOn.join(', '),
          threshold: threshold === null ? 'none' : formatThreshold(threshold),
          model,
        },
      ];
    }),
  };
}

/** Every file that a net was trained on. Held-out scans are files of the nets that were trained on them in other folds. */
export function fileTable({ sources }: ExperimentResults): Table {
  const rows = new Map<string, Readonly<Record<string, string>>>();
  for (const { inputs } of sources.values())
    for (const [scan, files] of Object.entries(inputs))
      for (const { role, path, sha256, tree } of files)
        rows.set([scan, role, path, sha256].join('\n'), {
          scan,
          role,
          path: tree === undefined ? path : `${tree}: ${path}`,
          sha256,
        });
  return {
    caption: 'Every file that a net was trained on',
    columns: [
      { key: 'scan', label: 'Scan', kind: 'text' },
      { key: 'role', label: 'Read as', kind: 'text' },
      { key: 'path', label: 'File', kind: 'text' },
      { key: 'sha256', label: 'SHA-256', kind: 'text' },
    ],
    rows: [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row),
  };
}

/** What the end of the page says of where its numbers come from. @param date ISO 8601, of the page */
export function sourceFacts({ plan, results }: ExperimentResults, date: string): HtmlValue {
  const versions = [...new Set([plan.version, ...[...results.values()].map(({ version }) => version)])];
  const { choices, path } = plan.dataset;
  return [
    factList([
      ['Date', date],
      ['Program', versions.map((version) => `voxelgrad ${version}`).join(', ')],
      ['Data set', path],
      ['Chosen about it', choices ? JSON.stringify(choices) : 'nothing'],
      [
        'Reference',
        `the masks of rater ${plan.rater} in the data set; who made them is for the data set to say`,
      ],
      ['Thresholds', 'each net’s own, of the best mean Dice on the scans that it was trained on'],
      ['Lesions', 'voxels that touch by a corner at least (26-connected)'],
    ]),
    html`<p>Files that are written beside these numbers (maps, masks) each have a JSON file that says the same of them.</p>`,
  ];
}
