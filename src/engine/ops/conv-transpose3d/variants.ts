import type { Capabilities } from '../../gpu/capabilities.ts';
import type { Emitter, Variant } from '../../tape/op.ts';
import { channelGroups } from '../../tape/split.ts';
import { someHalf } from '../../tape/tensor.ts';
import { inWideSums } from '../../tape/wide-sums.ts';
import { backwardInputCells, backwardWeightLanes, forwardCells } from './cell.ts';
import { cutBackwardInput, cutBackwardWeight, cutForward } from './cut.ts';
import { backwardInputSubgroup, backwardWeightSubgroup, forwardSubgroup } from './software/subgroup.ts';
import { type Geometry, isUpsampling, type Pass, slotOf, type WeightPass } from './task.ts';

interface PassVariant extends Variant {
  run(emit: Emitter, pass: Pass): void;
}

/** Emits the forward pass by the best variants for this device. */
export function forward(emit: Emitter, whole: Pass): void {
  const { capabilities } = emit;
  const passes = channelGroups(whole.from, capabilities).length;
  inWideSums(emit, 'conv-transpose3d/forward', whole.to, whole.accumulate, passes, (to, accumulate) => {
    for (const pass of cutForward({ ...whole, to, accumulate }, capabilities)) {
      const candidates: PassVariant[] = [{ name: 'cell', run: forwardCells }];
      const half = someHalf(pass.from, pass.to);
      const lanes = half ? 0 : lanesFor(capabilities, pass.geometry);
      if (lanes > 0)
        candidates.unshift({
          name: `subgroup${lanes}`,
          run: (emitter, own) => forwardSubgroup(emitter, own, lanes),
        });
      emit.choose(slotOf('forward', pass.geometry, half), candidates).run(emit, pass);
    }
  });
}

/** Emits the input gradient by the best variants for this device. */
export function backwardInput(emit: Emitter, whole: Pass): void {
  const { capabilities } = emit;
  const passes = channelGroups(whole.from, capabilities).length;
  inWideSums(
    emit,
    'conv-transpose3d/backward_input',
    whole.to,
    whole.accumulate,
    passes,
    (to, accumulate) => {
      for (const pass of cutBackwardInput({ ...whole, to, accumulate }, capabilities)) {
        const candidates: PassVariant[] = [{ name: 'cell', run: backwardInputCells }];
        const half = someHalf(pass.from, pass.to);
        const lanes = half ? 0 : lanesFor(capabilities, pass.geometry);
        if (lanes > 0)
          candidates.unshift({
            name: `subgroup${lanes}`,
            run: (emitter, own) => backwardInputSubgroup(emitter, own, lanes),
          });
        emit.choose(slotOf('backward_input', pass.geometry, half), candidates).run(emit, pass);
      }
    },
  );
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
    emit.choose(slotOf('backward_weight', pass.geometry, half), candidates).run(emit, pass);
  }
}

/** Lanes of the kernels for software drivers if they can run here, else 0. */
function lanesFor({ software, subgroupSize }: Capabilities, geometry: Geometry): number {
  return software && isUpsampling(geometry) && (subgroupSize === 4 || subgroupSize === 8) ? subgroupSize : 0;
}
