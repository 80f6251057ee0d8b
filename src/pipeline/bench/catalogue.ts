import { UsageError } from '../../core/errors.ts';
import { type Triple, toTriple } from '../../core/shape.ts';
import type { BenchCase } from './cases.ts';
import { convTranspose3dCases } from './conv-transpose3d-cases.ts';
import { type ConvShape, conv3dCases } from './conv3d-cases.ts';
import { crossStitchCases } from './cross-stitch-cases.ts';
import { addCases, dropoutCases, pointwiseCases, softmaxCases } from './elementwise-cases.ts';
import { concatCases, globalAveragePoolCases, linearCases, upsampleCases } from './head-cases.ts';
import { describeNetwork, NETWORK_CASES, type NetworkCase } from './networks.ts';
import { batchNormCases, groupNormCases } from './norm-cases.ts';
import { averagePoolCases, maxPoolCases } from './pooling-cases.ts';
import { halfOverlapCases, parameterDistanceCases, scalarBlocksCases } from './sharing-cases.ts';
import { adamCase, lossCases } from './step-cases.ts';

/**
 * Convolutions of U-Nets: first level, deeper ones, the first of all, the deepest, and a decoder's with two sources; then
 * those of nnU-Net (kernels and strides per axis) and MeshNet (dilated).
 */
const CONVOLUTIONS = [
  '32->32@32x32x32',
  '16->16@64x64x64',
  '64->64@16x16x16',
  '4->16@64x64x64',
  '128->128@8x8x8',
  '16+16->16@64x64x64',
  ...['32->32@32x32x32 k1x3x3', '16->32@64x64x64 s2', '16->32@64x64x64 k1x3x3 s1x2x2', '16->16@32x32x32 k5'],
  ...['16->16@64x64x64 d2', '16->16@64x64x64 d16', '16->16@64x64x64 k1'],
];
const TRANSPOSED = ['32->16@32x32x32', '64->32@16x16x16', '128->64@8x8x8', '32->16@32x32x32 s1x2x2'];
const ACTIVATION = [1, 16, 64, 64, 64] as const;
/** Parameters of the paper's network with 16 channels at the first of 4 levels, to the thousand. */
const PARAMETERS = 1_400_000;

/** The row that stands for a whole training step. */
export const STEP = 'training-step';

/**
 * The rows that the patterns choose: those whose kernel and shape (`conv3d/forward 4->16@64x64x64`) contain one of
 * them. A pattern that is itself a shape, `8+8->8@2x32x32x32`, adds the convolutions of that shape. Without patterns
 * every row is chosen but the whole volume, which takes minutes.
 * @throws UsageError for a pattern that nothing contains.
 */
export function chooseCases(patterns: readonly string[]): {
  cases: BenchCase[];
  networks: readonly NetworkCase[];
  step: boolean;
} {
  const extra = patterns.flatMap((pattern) => {
    const shape = parseConvShape(pattern);
    return shape && !CONVOLUTIONS.includes(pattern) ? conv3dCases(shape) : [];
  });
  const cases = [...allCases(), ...extra];
  if (patterns.length === 0) {
    const networks = NETWORK_CASES.filter(({ kernel }) => kernel !== 'network/volume');
    return { cases, networks, step: true };
  }
  const networkName = (one: NetworkCase): string => `${one.kernel} ${describeNetwork(one)}`;
  const names = [
    ...cases.map(({ kernel, shape }) => `${kernel} ${shape}`),
    ...NETWORK_CASES.map(networkName),
    STEP,
  ];
  const useless = patterns.find((pattern) => !names.some((name) => name.includes(pattern)));
  if (useless !== undefined)
    throw new UsageError(`no row of the bench contains ${JSON.stringify(useless)}`, {
      hint: `Rows are such as ${names[0]}, or ${STEP}; kernels: ${[...new Set([...cases, ...NETWORK_CASES].map(({ kernel }) => kernel))].join(', ')}.`,
    });
  const wanted = (name: string): boolean => patterns.some((pattern) => name.includes(pattern));
  return {
    cases: cases.filter(({ kernel, shape }) => wanted(`${kernel} ${shape}`)),
    networks: NETWORK_CASES.filter((one) => wanted(networkName(one))),
    step: wanted(STEP),
  };
}

function allCases(): BenchCase[] {
  return [
    ...CONVOLUTIONS.flatMap((shape) => conv3dCases(parseConvShape(shape)!)),
    ...TRANSPOSED.flatMap((shape) => convTranspose3dCases(parseConvShape(shape)!)),
    ...batchNormCases(ACTIVATION),
    ...groupNormCases(ACTIVATION),
    ...crossStitchCases(ACTIVATION),
    ...parameterDistanceCases([128, 128, 3, 3, 3]),
    ...halfOverlapCases([64, 64, 3, 3, 3]),
    ...scalarBlocksCases([2, 4], 64),
    ...pointwiseCases(ACTIVATION),
    ...addCases(ACTIVATION),
    ...dropoutCases(ACTIVATION),
    ...maxPoolCases(ACTIVATION),
    ...averagePoolCases(ACTIVATION),
    ...softmaxCases([1, 4, 64, 64, 64]),
    ...concatCases([1, 8, 64, 64, 64]),
    ...globalAveragePoolCases([2, 256, 8, 8, 8]),
    ...linearCases(2, 256, 64),
    ...upsampleCases([1, 16, 32, 32, 32]),
    ...lossCases([64, 64, 64]),
    adamCase(PARAMETERS),
  ];
}

/**
 * Reads `16+16->16@2x64x64x64`, or with kernel, stride and dilation `16->16@64x64x64 k1x3x3 s1x2x2 d2`; undefined where it is
 * no such shape.
 */
export function parseConvShape(text: string): ConvShape | undefined {
  const match =
    /^(\d+)(?:\+(\d+))?->(\d+)@(?:(\d+)x)?(\d+)x(\d+)x(\d+)(?: k([135x]+))?(?: s([12x]+))?(?: d([\dx]+))?$/.exec(
      text,
    );
  if (!match) return undefined;
  const [kernel, stride, dilation] = match.slice(8).map(readAxes);
  const numbers = match.slice(1, 8).map((word) => (word === undefined ? undefined : Number(word)));
  const [first, second, to, samples = 1, depth, height, width] = numbers;
  const axes = [kernel, stride, dilation].flatMap((each) => each ?? []);
  if ([...numbers, ...axes].some((n) => n === 0 || Number.isNaN(n))) return undefined;
  return {
    samples,
    from: second === undefined ? [first!] : [first!, second],
    to: to!,
    extents: [depth!, height!, width!],
    ...(kernel && { kernel }),
    ...(stride && { stride }),
    ...(dilation && { dilation }),
  };
}

/** `2` or `1x2x2`; NaN for other numbers of axes. */
function readAxes(text: string | undefined): Triple | undefined {
  if (text === undefined) return undefined;
  const axes = text.split('x').map(Number);
  const [z, y, x] = axes.length === 3 ? axes : [axes.length === 1 ? axes[0] : Number.NaN];
  return y === undefined ? toTriple(z ?? Number.NaN) : [z!, y, x!];
}
