import type { Capabilities } from '../../gpu/capabilities.ts';
import type { Emitter, Variant } from '../../tape/op.ts';
import { channelGroups } from '../../tape/split.ts';
import { someHalf } from '../../tape/tensor.ts';
import { inWideSums } from '../../tape/wide-sums.ts';
import { backwardInputCells, backwardWeightLanes, forwardCells } from './cell.ts';
import { cutBackwardInput, cutBackwardWeight, cutForward } from './cut.ts';
import { backwardInputSubgroup, backwardWeightSubgroup, forwardSubgroup } from './software/subgroup.ts';
import { type Geometry, isUpsampling, type Pass, slotOf, voxelsOf, type WeightPass } from './task.ts';
import {
  backwardInputWide,
  backwardWeightWide,
  canTransposeWide,
  forwardWide,
  type WideVoxels,
  wideVoxels,
} from './wide.ts';

interface PassVariant extends Variant {
  run(emit: Emitter, pass: Pass): void;
}

/** A pass by any kernel that can run it, best guess first. */
function passCandidates(
  capabilities: Capabilities,
  pass: Pass,
  columns: number,
  runs: {
    readonly wide: (emit: Emitter, pass: Pass, voxels: WideVoxels) => void;
    readonly subgroup: (emit: Emitter, pass: Pass, lanes: number) => void;
    readonly cell: PassVariant['run'];
  },
): PassVariant[] {
  const { geometry } = pass;
  const wide = canTransposeWide(capabilities, geometry) ? wideVoxels(geometry, columns) : [];
  const lanes = someHalf(pass.from, pass.to) ? 0 : lanesFor(capabilities, geometry);
  return [
    ...wide.map(
      (voxels): PassVariant => ({
        name: `wide ${voxels}`,
        run: (emit, own) => runs.wide(emit, own, voxels),
      }),
    ),
    ...(lanes > 0
      ? [{ name: `subgroup${lanes}`, run: (emit, own) => runs.subgroup(emit, own, lanes) } as PassVariant]
      : []),
    { name: 'cell', run: runs.cell },
  ];
}

/** Emits the forward pass by the best variants for this device. */
export function forward(emit: Emitter, whole: Pass): void {
  const { capabilities } = emit;
  const passes = channelGroups(whole.from, capabilities).length;
  const runs = { wide: forwardWide, subgroup: forwardSubgroup, cell: forwardCells };
  inWideSums(emit, 'conv-transpose3d/forward', whole.to, whole.accumulate, passes, (to, accumulate) => {
    for (const pass of cutForward({ ...whole, to, accumulate }, capabilities)) {
      const columns = pass.geometry.outChannels * voxelsOf(pass.geometry.kernel);
      const slot = slotOf('forward', pass.geometry, someHalf(pass.from, pass.to));
      emit.choose(slot, passCandidates(capabilities, pass, columns, runs)).run(emit, pass);
    }
  });
}

/** Emits the input gradient by the best variants for this device. */
export function backwardInput(emit: Emitter, whole: Pass): void {
  const { capabilities } = emit;
  const label = 'conv-transpose3d/backward_input';
  const passes = channelGroups(whole.from, capabilities).length;
  const runs = { wide: backwardInputWide, subgroup: backwardInputSubgroup, cell: backwardInputCells };
  inWideSums(emit, label, whole.to, whole.accumulate, passes, (to, accumulate) => {
    for (const pass of cutBackwardInput({ ...whole, to, accumulate }, capabilities)) {
      const slot = slotOf('backward_input', pass.geometry, someHalf(pass.from, pass.to));
      const candidates = passCandidates(capabilities, pass, pass.geometry.inChannels, runs);
      emit.choose(slot, candidates).run(emit, pass);
    }
  });
}

interface WeightVariant extends Variant {
  run(emit: Emitter, pass: WeightPass): void;
}

/** Emits the weight gradient by the best variants for this device. */
export function backwardWeight(emit: Emitter, whole: WeightPass): void {
  for (const pass of cutBackwardWeight(whole, emit.capabilities)) {
    const candidates: WeightVariant[] = [{ name: 'lanes', run: backwardWeightLanes }];
    const half = someHalf(pass.input, pass.gradOutput);
    const lanes = half ? 0 : lanesFor(emit.capabilities, pass.geometry);
    if (lanes > 0)
      candidates.unshift({
        name: `subgroup${lanes}`,
        run: (emitter, own) => backwardWeightSubgroup(emitter, own, lanes),
      });
    if (canTransposeWide(emit.capabilities, pass.geometry))
      candidates.unshift({ name: 'wide', run: backwardWeightWide });
    emit.choose(slotOf('backward_weight', pass.geometry, half), candidates).run(emit, pass);
  }
}

/** Lanes of the kernels for software drivers if they can run here, else 0. */
function lanesFor({ software, subgroupSize }: Capabilities, geometry: Geometry): number {
  return software && isUpsampling(geometry) && (subgroupSize === 4 || subgroupSize === 8) ? subgroupSize : 0;
}
