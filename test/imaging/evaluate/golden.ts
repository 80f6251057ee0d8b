import { readFileSync } from 'node:fs';
import type { Grid } from '../../../src/imaging/volume/volume.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';

type Nullable<K extends string> = Readonly<Record<K, number | null>>;

/** One case of test/golden/metrics/metrics.json: what SciPy says of two masks. `null` is "not defined". */
export interface GoldenCase {
  readonly name: string;
  readonly shape: [number, number, number];
  readonly spacing: [number, number, number];
  readonly prediction: string;
  readonly truth: string;
  readonly metrics: Nullable<
    'dice' | 'tpr' | 'ppv' | 'volumeDifference' | 'volumeDifferenceMl' | 'truthMl' | 'predictionMl'
  >;
  readonly connectivity: Readonly<
    Record<
      '6' | '18' | '26',
      Nullable<'ltpr' | 'lfpr' | 'trueLesions' | 'predictedLesions' | 'labelSum'> & {
        readonly trueSizes: readonly number[];
      }
    >
  >;
  readonly hd95: number | null;
  readonly assd: number | null;
  readonly normalizedDice: number | null;
  readonly distanceSum: number | null;
}

/** What SciPy says of several cases as the scans of one rater. */
export interface GoldenChallenge {
  readonly name: string;
  readonly cases: readonly string[];
  readonly volumeCorrelation: number | null;
  readonly scores: readonly (number | null)[];
  readonly mean: number | null;
}

interface Golden {
  readonly cases: readonly GoldenCase[];
  readonly challenges: readonly GoldenChallenge[];
}

function golden(): Golden {
  const url = new URL('../../golden/metrics/metrics.json', import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')) as Golden;
}

export function goldenCases(): readonly GoldenCase[] {
  return golden().cases;
}

export function goldenChallenges(): readonly GoldenChallenge[] {
  return golden().challenges;
}

/** The two masks and the grid of a case. */
export function unpack(golden: GoldenCase): { prediction: Uint8Array; truth: Uint8Array; grid: Grid } {
  const grid = axisAlignedGrid(golden.shape, golden.spacing);
  return { prediction: bits(golden.prediction, golden.shape), truth: bits(golden.truth, golden.shape), grid };
}

function bits(text: string, shape: readonly number[]): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  return Uint8Array.from(
    { length: shape.reduce((a, b) => a * b, 1) },
    (_, i) => (bytes[i >> 3]! >> (i & 7)) & 1,
  );
}
