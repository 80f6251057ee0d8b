import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { type SegmentationLossSettings, segmentationLoss } from '../../src/engine/loss/segmentation-loss.ts';
import { Network } from '../../src/engine/nn/network.ts';
import { architectureOf } from '../../src/engine/nn/networks/index.ts';
import { TensorStore } from '../../src/engine/tape/store.ts';
import type { Root, Tape } from '../../src/engine/tape/tape.ts';
import type { Tensor } from '../../src/engine/tape/tensor.ts';
import { inputChannels } from '../../src/pipeline/task/task.ts';
import { presetOf, type Variant, variantConfig } from '../../src/study/presets/index.ts';
import { type Golden, loadGolden } from '../support/golden.ts';
import { type Nd, toFloat32 } from '../support/nd.ts';

/** How a variant was trained in PyTorch. */
export interface VariantCase {
  readonly name: Variant;
  readonly widths: { readonly baseChannels: number; readonly levels: number };
  readonly heads: Readonly<
    Record<string, { readonly settings: SegmentationLossSettings; readonly weight: number }>
  >;
}

const MODALITIES = ['FLAIR', 'T1w', 'PD', 'T2w'];

/** A variant with the weights of its golden file, and the batch that all variants share. */
export class GoldenNetwork {
  readonly golden: Golden<VariantCase>;
  readonly net: Network;
  readonly #case: VariantCase;
  readonly #batch: TensorStore;

  private constructor(golden: Golden<VariantCase>, net: Network, batch: TensorStore) {
    this.golden = golden;
    this.net = net;
    this.#case = golden.cases[0]!;
    this.#batch = batch;
  }

  static async create(gpu: Gpu, variant: Variant): Promise<GoldenNetwork> {
    const golden = loadGolden<VariantCase>(variant);
    const scan = loadGolden('scan');
    const { widths, heads } = golden.cases[0]!;
    const net = await Network.create(gpu, architectureOf(variantConfig(variant, MODALITIES, widths)), {
      training: true,
    });
    net.load(golden.below('before/'));
    const images = scan.get('images');
    const channels = inputChannels(presetOf(variant).task, MODALITIES).length;
    const input = channels === 7 ? concatChannels(images, scan.get('tissue')) : images;
    const parts = new Map<string, Nd>([['input', input]]);
    for (const [head, { weight }] of Object.entries(heads)) {
      parts.set(head, scan.get(head));
      parts.set(`${head} weight`, { shape: [1], data: Float64Array.of(weight) });
    }
    const batch = await TensorStore.create(
      gpu,
      'batch',
      [...parts].map(([name, { shape }]) => ({ name, shape })),
    );
    for (const [name, part] of parts) batch.write(name, toFloat32(part));
    return new GoldenNetwork(golden, net, batch);
  }

  /** Records forward. @returns logits by head */
  forward(tape: Tape, training: boolean): Map<string, Tensor> {
    const outputs = this.net.forward(tape, this.#batch.get('input'), training ? 'train' : 'predict');
    return new Map([...outputs].map(([head, [logits]]) => [head, logits!]));
  }

  /** Records the heads' losses and backward. @returns losses by head */
  backward(tape: Tape, logits: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
    const losses = new Map<string, Tensor>();
    const roots: Root[] = [];
    for (const [head, { settings }] of Object.entries(this.#case.heads)) {
      const loss = tape.apply(segmentationLoss, [logits.get(head)!], {
        ...settings,
        target: this.#batch.get(head),
      });
      losses.set(head, loss);
      roots.push({ output: loss, grad: this.#batch.get(`${head} weight`) });
    }
    tape.backward(roots);
    return losses;
  }

  destroy(): void {
    this.net.destroy();
    this.#batch.destroy();
  }
}

function concatChannels(a: Nd, b: Nd): Nd {
  const [items, first, ...volume] = a.shape as [number, number, ...number[]];
  const second = b.shape[1]!;
  const voxels = volume.reduce((product, extent) => product * extent, 1);
  const data = new Float64Array(a.data.length + b.data.length);
  for (let n = 0; n < items; n++) {
    const at = n * (first + second) * voxels;
    data.set(a.data.subarray(n * first * voxels, (n + 1) * first * voxels), at);
    data.set(b.data.subarray(n * second * voxels, (n + 1) * second * voxels), at + first * voxels);
  }
  return { shape: [items, first + second, ...volume], data };
}
