import { Resources } from '../../core/resources.ts';
import { ceilDiv } from '../../core/shape.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Kernel } from '../../engine/gpu/kernel.ts';
import { type Command, read, write } from '../../engine/tape/command.ts';
import { compilePlan, type Plan } from '../../engine/tape/plan.ts';
import { TensorStore } from '../../engine/tape/store.ts';
import { BINS } from './mutual-information.ts';
import type { Compare, Comparison } from './register.ts';

/** Transforms that one dispatch compares: more than the trial points of a search with 6 degrees of freedom. */
const POSES = 32;
/** Samples of a chunk, at least: less would be spent on clearing histograms. */
const CHUNK = 4096;
/** Workgroups per transform, at most: their histograms take 4 KiB each. */
const CHUNKS = 16;
const LANES = 64;
const CELLS = BINS * BINS;

/**
 * Counts joint histograms on a GPU, 32 transforms in one dispatch. The counts are integers, so equal input gives equal bits.
 * @throws OutOfMemoryError, GpuError, DeviceLostError
 */
export function gpuComparison(gpu: Gpu): Compare {
  return (samples, moving) =>
    Resources.build(async (owned): Promise<Comparison> => {
      const [nx, ny, nz] = moving.grid.shape;
      const chunks = Math.min(CHUNKS, ceilDiv(samples.count, CHUNK));
      const store = owned.add(
        await TensorStore.create(gpu, 'register', [
          { name: 'samples', shape: [samples.count, 4] },
          { name: 'moving', shape: [nz, ny, nx] },
          { name: 'transforms', shape: [POSES, 12] },
          { name: 'partial counts', shape: [POSES, chunks, CELLS] },
          { name: 'counts', shape: [POSES, CELLS] },
        ]),
      );
      store.write('samples', samples.data);
      store.write('moving', moving.data);
      const plans = new Map<number, Plan>();
      const planFor = async (poses: number): Promise<Plan> => {
        const plan =
          plans.get(poses) ??
          owned.add(
            await compilePlan(gpu, record(store, samples.count, moving.grid.shape, chunks, poses), {
              label: 'register',
            }),
          );
        plans.set(poses, plan);
        return plan;
      };
      return {
        histograms: async (rows) => {
          const out: Uint32Array[] = [];
          for (let first = 0; first < rows.length; first += POSES) {
            const part = rows.slice(first, first + POSES);
            const transforms = new Float32Array(POSES * 12);
            part.forEach((row, i) => {
              transforms.set(row, i * 12);
            });
            store.write('transforms', transforms);
            (await planFor(part.length)).run();
            const counts = new Uint32Array((await store.read('counts')).buffer);
            part.forEach((_, i) => {
              out.push(counts.slice(i * CELLS, (i + 1) * CELLS));
            });
          }
          return out;
        },
        destroy: () => owned.destroy(),
      };
    });
}

function record(
  store: TensorStore,
  samples: number,
  [nx, ny, nz]: readonly [number, number, number],
  chunks: number,
  poses: number,
): Command[] {
  const kernel = (entry: string): Kernel => ({ file: 'joint-histogram.wgsl', entry });
  const params = { samples, chunks, nx, ny, nz };
  return [
    {
      label: 'joint-histogram/joint_histogram',
      kernel: kernel('joint_histogram'),
      bindings: [
        read(store.get('samples')),
        read(store.get('moving')),
        read(store.get('transforms')),
        write(store.get('partial counts')),
      ],
      params,
      workgroups: [chunks, poses, 1],
    },
    {
      label: 'joint-histogram/sum_counts',
      kernel: kernel('sum_counts'),
      bindings: [read(store.get('partial counts')), write(store.get('counts'))],
      params,
      workgroups: [CELLS / LANES, poses, 1],
    },
  ];
}
