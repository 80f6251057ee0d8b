import { countParameters } from '../../engine/nn/network.ts';
import { declarationOf } from '../../engine/nn/networks/index.ts';
import { variantLabel } from '../../imaging/evaluate/labels.ts';
import type { Table } from '../../imaging/evaluate/tables.ts';
import { networkOf } from '../../pipeline/train/network.ts';
import { trainSettings } from '../../pipeline/train/settings.ts';
import type { ExperimentRecord } from './experiment-record.ts';
import { type ExperimentResults, netUnits } from './experiment-results.ts';

/** What each variant's network costs: its parameters, and the time of its finished nets. */
export function networkTable({ plan, results }: ExperimentResults): Table {
  const rows = plan.variants.flatMap((variant) => {
    const finished = netUnits(plan).flatMap((unit) =>
      unit.variant === variant ? (results.get(unit.id) ?? []) : [],
    );
    if (finished.length === 0) return [];
    const seconds = finished.reduce((sum, each) => sum + each.seconds, 0) / finished.length;
    return { variant: variantLabel(variant), parameters: parametersOf(plan, variant), seconds };
  });
  return {
    caption:
      'What the networks cost: parameters, and the mean time of a net from its first step to its last prediction',
    columns: [
      { key: 'variant', label: 'Variant', kind: 'text' },
      { key: 'parameters', label: 'Parameters', kind: 'number', digits: 0 },
      { key: 'seconds', label: 'Time per net', unit: 's', kind: 'number', digits: 0 },
    ],
    rows,
  };
}

/** Null if the record does not say: it names no images, or a kind of network that is designed by the voxel size. */
function parametersOf({ settings }: ExperimentRecord, variant: string): number | null {
  const { stage1Loss: _, folds: _f, tissue: _t, modalities, ...shared } = settings;
  if (!Array.isArray(modalities) || (shared.network ?? null) !== null) return null;
  const spec = networkOf({
    ...trainSettings({ ...shared, preset: variant }),
    modalities: modalities.map(String),
  });
  return countParameters(declarationOf(spec).parameters);
}
