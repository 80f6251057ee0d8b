import type { CorrectionReport } from './protocol.ts';

/** `You added 0.67 ml and removed 0 ml.` */
export function describeCorrection({ addedMl, removedMl }: CorrectionReport, who = 'You'): string {
  const ml = (value: number): string => (value === 0 ? '0' : value.toFixed(2));
  return `${who} added ${ml(addedMl)} ml and removed ${ml(removedMl)} ml.`;
}
