import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { add } from '../../src/engine/ops/add.ts';
import { averagePool3d } from '../../src/engine/ops/average-pool3d.ts';
import { batchNorm } from '../../src/engine/ops/batch-norm.ts';
import { concat } from '../../src/engine/ops/concat.ts';
import { convTranspose3d } from '../../src/engine/ops/conv-transpose3d.ts';
import { conv3d } from '../../src/engine/ops/conv3d.ts';
import { dropout } from '../../src/engine/ops/dropout.ts';
import { elu } from '../../src/engine/ops/elu.ts';
import { gelu } from '../../src/engine/ops/gelu.ts';
import { globalAveragePool } from '../../src/engine/ops/global-average-pool.ts';
import { groupNorm } from '../../src/engine/ops/group-norm.ts';
import { linear } from '../../src/engine/ops/linear.ts';
import { maxPool3d } from '../../src/engine/ops/max-pool3d.ts';
import { relu } from '../../src/engine/ops/relu.ts';
import { sigmoid } from '../../src/engine/ops/sigmoid.ts';
import { softmax } from '../../src/engine/ops/softmax.ts';
import { upsampleTrilinear } from '../../src/engine/ops/upsample-trilinear.ts';
import type { Op } from '../../src/engine/tape/op.ts';
import { loadGolden } from '../support/golden.ts';
import { useGpu } from '../support/gpu.ts';
import { type Nd, relativeError } from '../support/nd.ts';
import { type HostAttributes, type OpResult, runOp } from '../support/run-op.ts';

interface GoldenCase {
  readonly name: string;
  readonly op: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: number;
  /** Attributes that are arrays, with their values before and after forward in the file. */
  readonly state: readonly string[];
}

const TOLERANCE = 1e-5;
const files = ['ops', 'convolutions', 'head-ops'].map((name) => loadGolden<GoldenCase>(name));

type Run = (gpu: Gpu, inputs: readonly Nd[], attributes: unknown, gradOutput: Nd) => Promise<OpResult>;

/** The file says what the attributes are; the op's own type checks nothing here. */
function runner<A, S>(op: Op<A, S>): [string, Run] {
  return [
    op.name,
    (gpu, inputs, attributes, gradOutput) =>
      runOp(gpu, op, inputs, attributes as HostAttributes<NoInfer<A>>, gradOutput),
  ];
}

const runners: ReadonlyMap<string, Run> = new Map([
  runner(conv3d),
  runner(convTranspose3d),
  runner(batchNorm),
  runner(concat),
  runner(globalAveragePool),
  runner(linear),
  runner(upsampleTrilinear),
  runner(maxPool3d),
  runner(relu),
  runner(softmax),
  runner(sigmoid),
  runner(add),
  runner(averagePool3d),
  runner(groupNorm),
  runner(dropout),
  runner(elu),
  runner(gelu),
]);

describe('ops against PyTorch', () => {
  const context = useGpu();

  for (const [golden, { name, op, attributes, inputs: count, state }] of files.flatMap((file) =>
    file.cases.map((each) => [file, each] as const),
  ))
    it(name, async () => {
      const run = runners.get(op)!;
      const inputs = Array.from({ length: count }, (_, i) => golden.get(`${name}/input${i}`));
      const before = state.map((key) => [key, golden.get(`${name}/before.${key}`)] as const);
      const result = await run(
        context.gpu,
        inputs,
        { ...attributes, ...Object.fromEntries(before) },
        golden.get(`${name}/gradOutput`),
      );
      expect(relativeError(result.output, golden.get(`${name}/output`).data), 'output').toBeLessThan(
        TOLERANCE,
      );
      for (let i = 0; i < count; i++) {
        const error = relativeError(result.grads[i] ?? [], golden.get(`${name}/grad${i}`).data);
        expect(error, `gradient of input ${i}`).toBeLessThan(TOLERANCE);
      }
      for (const key of state) {
        const error = relativeError(
          result.attributes.get(key) ?? [],
          golden.get(`${name}/after.${key}`).data,
        );
        expect(error, `${key} after forward`).toBeLessThan(TOLERANCE);
      }
    });

  it('covers every op', () => {
    expect(new Set(files.flatMap(({ cases }) => cases.map(({ op }) => op)))).toEqual(new Set(runners.keys()));
  });
});
