import type { Fold } from '../../imaging/dataset/folds.ts';

/** A net that finds lesions for the correction of tissue maps, before it has a seed. */
export interface StageOneNet {
  /** Who is left out of its training: fold names, patients. Names the net. */
  readonly without: readonly string[];
  readonly training: readonly string[];
}

/** Which stage-1 net corrects whose maps in one fold. */
export interface FoldCorrection {
  readonly fold: Fold;
  /** By patient. */
  readonly by: ReadonlyMap<string, StageOneNet>;
}

/**
 * The stage-1 nets that correct the maps of every fold, nested so that no patient ever helps to make its own maps, nor
 * a fold's held-out patients those that the fold's nets see. For a fold with held-out patients T and training
 * patients R:
 * - maps of T, and of patients without a true mask, are corrected by a net that was trained on R;
 * - R is parted once more, by the other folds (with two folds only, by patient), and the maps of each part by a net
 *   that was trained on the rest of R.
 * Two folds share the net that both leave out: 5 folds need 5 + 10 nets.
 *
 * A fold with one training patient has nobody left to correct that patient's maps. The patient's true mask, or a net
 * trained on the patient, would mark the lesions in the maps as they are never marked in a held-out patient's. So there
 * nothing is corrected, in training and in prediction alike.
 *
 * @param unjudged patients without a true mask
 * @returns nothing for a fold with one training patient
 */
export function nestedCorrections(folds: readonly Fold[], unjudged: readonly string[]): FoldCorrection[] {
  const nets = new Map<string, StageOneNet>();
  const net = (without: readonly string[], training: readonly string[]): StageOneNet => {
    const key = JSON.stringify(training);
    const found = nets.get(key) ?? { without, training };
    nets.set(key, found);
    return found;
  };
  return folds.flatMap((fold) => {
    const { name, training, heldOut } = fold;
    if (training.length < 2) return [];
    const by = new Map<string, StageOneNet>();
    for (const patient of [...heldOut, ...unjudged]) by.set(patient, net([name], training));
    for (const part of partsOf(fold, folds)) {
      const rest = training.filter((patient) => !part.heldOut.includes(patient));
      // Sorted, so that two folds call the net that they share by one name.
      for (const patient of part.heldOut) by.set(patient, net([name, part.name].sort(), rest));
    }
    return [{ fold, by }];
  });
}

function partsOf(fold: Fold, folds: readonly Fold[]): Pick<Fold, 'name' | 'heldOut'>[] {
  if (folds.length > 2) return folds.filter((other) => other !== fold);
  return fold.training.map((patient) => ({ name: patient, heldOut: [patient] }));
}

/** The paper's protocol as it is described: one net, trained on everybody, corrects the maps of everybody. */
export function printedCorrection(
  patients: readonly string[],
  unjudged: readonly string[],
): ReadonlyMap<string, StageOneNet> {
  const net: StageOneNet = { without: [], training: patients };
  return new Map([...patients, ...unjudged].map((patient) => [patient, net]));
}
