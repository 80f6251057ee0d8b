import type { Emitter, Variant } from '../../tape/op.ts';
import { backwardInputCells, forwardCells } from './cell.ts';
import { type Pass, slotOf } from './task.ts';

interface PassVariant extends Variant {
  run(emit: Emitter, pass: Pass): void;
}

/** Emits the forward pass by the best variant for this device. */
export function forward(emit: Emitter, pass: Pass): void {
  const candidates: PassVariant[] = [{ name: 'cell', run: forwardCells }];
  emit.choose(slotOf('forward', pass.geometry), candidates).run(emit, pass);
}

/** Emits the input gradient by the best variant for this device. */
export function backwardInput(emit: Emitter, pass: Pass): void {
  const candidates: PassVariant[] = [{ name: 'cell', run: backwardInputCells }];
  emit.choose(slotOf('backward_input', pass.geometry), candidates).run(emit, pass);
}
