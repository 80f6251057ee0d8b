import { DRAWN_FLIPS, EXACT_PATIENTS } from '../../imaging/evaluate/sign-flip.ts';
import type { ExperimentRecord } from './experiment-record.ts';

/** How an experiment came to its numbers, in sentences for the methods of a paper. */
export function methodSentences(plan: ExperimentRecord): string[] {
  const corrected = plan.units.some(({ kind }) => kind === 'correction');
  return [
    `${plan.folds.length} folds over patients: all visits of a patient are held out together, and every net is judged on patients that it was not trained on. Its threshold is the one of best Dice on its own training scans; held-out scans decide nothing.`,
    ...(plan.variants.some((variant) => variant !== 'single') ? [tissueSentence(plan, corrected)] : []),
    'A patient’s value is the mean of its visits, and a visit’s the mean of the seeds: the patient is the unit of all statistics. Intervals are percentile intervals of 10,000 bootstrap draws of patients.',
    `p is two-sided, from all sign flips of the patients’ differences (from ${DRAWN_FLIPS.toLocaleString('en')} random ones above ${EXACT_PATIENTS} patients).`,
    'One comparison was chosen beforehand: multi-input less multi-output, averaged over the losses. The others are not corrected for their number; of twenty that show nothing, one is expected to have p below 0.05.',
  ];
}

function tissueSentence({ protocol, settings }: ExperimentRecord, corrected: boolean): string {
  const source =
    typeof settings.tissue === 'string'
      ? `Tissue maps are those of ${settings.tissue}`
      : 'Tissue maps were made from the T1 by a Gaussian mixture with a Markov random field and bias-field correction';
  if (!corrected) return `${source}; lesions in them were not corrected.`;
  const trained =
    protocol === 'paper'
      ? 'one net that was trained on every patient, the held-out ones included'
      : 'nets that were trained neither on the patient whose maps they correct nor on the patients that the fold holds out';
  return `${source}; lesions in them were made white matter where they were found by ${trained}.`;
}
