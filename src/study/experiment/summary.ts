import type { FileSource } from '../../core/files.ts';
import type { ExperimentRecord, UnitResult } from '../report/experiment-record.ts';
import { readUnitResult } from './unit-files.ts';

/** How far an experiment has come, and what its nets reach so far. */
export interface ExperimentSummary {
  readonly finished: number;
  readonly total: number;
  readonly results: readonly {
    readonly variant: string;
    readonly loss: string;
    /** Nets that are finished. */
    readonly nets: number;
    /** Mean over visits, then over held-out patients of all finished nets; null where there are none. */
    readonly dice: number | null;
  }[];
}

/** Reads the results that are there. @throws FileFormatError, StorageError. */
export async function summarise(record: ExperimentRecord, out: FileSource): Promise<ExperimentSummary> {
  const found = new Map<string, UnitResult>();
  for (const { id } of record.units) {
    const result = await readUnitResult(out, id);
    if (result) found.set(id, result);
  }
  const results = record.variants.flatMap((variant) =>
    record.losses.map((loss) => {
      const nets = record.units.flatMap((unit) => {
        const result = found.get(unit.id);
        return result && unit.kind === 'net' && unit.variant === variant && unit.loss === loss
          ? [result]
          : [];
      });
      return { variant, loss, nets: nets.length, dice: mean(nets.flatMap(patientDice)) };
    }),
  );
  return { finished: found.size, total: record.units.length, results };
}

/** One line a variant and loss. */
export function summaryText({ results }: ExperimentSummary): string {
  return results
    .map(({ variant, loss, nets, dice }) => {
      const value = dice === null ? 'no result yet' : `Dice ${dice.toFixed(3)}`;
      return `${variant}, ${loss}: ${value} (${nets} ${nets === 1 ? 'net' : 'nets'})`;
    })
    .join('\n');
}

function patientDice({ scans }: UnitResult): number[] {
  const patients = [...new Set(scans.map(({ subject }) => subject))];
  return patients.flatMap((patient) => {
    const own = scans.filter(({ subject }) => subject === patient).map(({ metrics }) => metrics.dice);
    return mean(own.filter((dice) => dice !== null)) ?? [];
  });
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
