import { UsageError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { type Dataset, findSubject } from './dataset.ts';

/** One part of a cross-validation: subject ids, no patient in both. */
export interface Fold {
  /** The held-out patient's id in leave-one-patient-out, else `fold-1`, `fold-2`, ... */
  readonly name: string;
  readonly training: readonly string[];
  readonly heldOut: readonly string[];
}

/**
 * Splits patients, never scans, so that all visits of a patient are on one side of every fold.
 * @param k number of folds, or `patient` for one fold a patient (the paper's protocol).
 * @param options.subjects ids to split; all subjects of the data set where left out.
 * @param options.random deals the patients out in a random order; in order of their ids where left out.
 * @throws UsageError where there are fewer patients than folds, or fewer than two folds.
 */
export function patientFolds(
  dataset: Dataset,
  k: number | 'patient',
  options: { readonly subjects?: readonly string[]; readonly random?: Random } = {},
): Fold[] {
  const chosen = options.subjects?.map((id) => findSubject(dataset, id)) ?? dataset.subjects;
  const ids = [...new Set(chosen.map((subject) => subject.id))].sort();
  const count = k === 'patient' ? ids.length : k;
  if (!Number.isInteger(count) || count < 2 || count > ids.length) {
    throw new UsageError(
      `cannot split ${ids.length} ${ids.length === 1 ? 'patient' : 'patients'} into ${k === 'patient' ? 'one fold a patient' : `${k} folds`}: ` +
        'at least 2 folds and as many patients are needed',
      { hint: 'Add patients, or train without cross-validation.' },
    );
  }
  const dealt = options.random?.shuffle(ids) ?? ids;
  return Array.from({ length: count }, (_, fold) => {
    const heldOut = dealt.filter((_, i) => i % count === fold).sort();
    return {
      name: k === 'patient' ? heldOut[0]! : `fold-${fold + 1}`,
      training: ids.filter((id) => !heldOut.includes(id)),
      heldOut,
    };
  });
}
