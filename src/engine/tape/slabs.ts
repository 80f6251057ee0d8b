import { sizeOf } from '../../core/shape.ts';
import type { Binding } from './command.ts';
import { copyCommand, type Part } from './copy.ts';
import type { Emitter } from './op.ts';
import { elementBytes, type Tensor } from './tensor.ts';

/** Binding of a tensor [batch, rows, columns ...] of which a workgroup takes `perGroup` columns of every row. */
export interface Columns extends Binding {
  readonly perGroup: number;
}

/** What a kernel runs on: the tensors, or the same columns of one sample of each. */
export interface Slab {
  /** One a part, sliced per sample. */
  readonly bindings: readonly Binding[];
  /** Columns of the first part. */
  readonly columns: number;
  /** First of the samples, and their number. */
  readonly sample: number;
  readonly samples: number;
}

/**
 * Runs a kernel that needs all rows (channels) of a column (voxel) together. Where one sample of a part is larger than
 * the device binds, it runs on slabs of as many columns as fit: their rows do not lie together, so they are copied, and
 * what was written is copied back.
 *
 * @param run emits the kernel for a slab
 */
export function inSlabs(
  emit: Emitter,
  label: string,
  parts: readonly Columns[],
  run: (slab: Slab) => void,
): void {
  const { maxBindingBytes } = emit.capabilities;
  const { tensor: model, perGroup } = parts[0]!;
  const samples = model.shape[0]!;
  const columns = columnsOf(model);
  if (
    parts.every(({ tensor }) => (sizeOf(tensor.shape) / samples) * elementBytes(tensor) <= maxBindingBytes)
  ) {
    run({ bindings: parts.map((part) => ({ ...part, perSample: true })), columns, sample: 0, samples });
    return;
  }
  const groupBytes = Math.max(
    ...parts.map(({ tensor, perGroup }) => tensor.shape[1]! * perGroup * elementBytes(tensor)),
  );
  const groups = Math.max(1, Math.floor(maxBindingBytes / groupBytes));
  for (let sample = 0; sample < samples; sample++)
    for (let group = 0; group * perGroup < columns; group += groups) {
      const slabs = parts.map((part) => cut(emit, `${label}_slab`, part, sample, group, groups));
      for (const { access, rows } of slabs)
        if (access !== 'write')
          for (const { there, here } of rows)
            emit.run(copyCommand(`${label}/copy_in`, there, here, 'write', emit.capabilities));
      const bindings = slabs.map(({ own, access }) => ({ tensor: own, access, perSample: true }));
      run({ bindings, columns: columnsOf(slabs[0]!.own), sample, samples: 1 });
      for (const { access, rows } of slabs)
        if (access !== 'read')
          for (const { there, here } of rows)
            emit.run(copyCommand(`${label}/copy_out`, here, there, access, emit.capabilities));
    }
}

function columnsOf({ shape }: Tensor): number {
  return sizeOf(shape.slice(2));
}

/** Scratch for the columns of some workgroups, with where each row lies in the tensor and in the scratch. */
function cut(
  emit: Emitter,
  label: string,
  { tensor, access, perGroup }: Columns,
  sample: number,
  group: number,
  groups: number,
): {
  readonly own: Tensor;
  readonly access: Binding['access'];
  readonly rows: readonly { readonly there: Part; readonly here: Part }[];
} {
  const rows = tensor.shape[1]!;
  const length = columnsOf(tensor);
  const first = group * perGroup;
  const count = Math.min(groups * perGroup, length - first);
  const own = emit.scratch(label, [1, rows, count], tensor.element);
  return {
    own,
    access,
    rows: Array.from({ length: rows }, (_, row) => ({
      there: { tensor, first: (sample * rows + row) * length + first, count },
      here: { tensor: own, first: row * count, count },
    })),
  };
}
