import type { Capabilities } from '../gpu/capabilities.ts';
import { Gpu } from '../gpu/gpu.ts';
import { Network } from '../nn/network.ts';
import { recordPrediction } from '../nn/prediction.ts';
import { recordTrainingStep, type StepRequest } from '../nn/training-step.ts';
import { TensorStore } from '../tape/store.ts';
import { Tape } from '../tape/tape.ts';
import { cutSection, type Section } from './isolated.ts';
import { endOfChoice, watchChoices } from './watch-choices.ts';

/** A slot that a network asks for, with what each candidate would run. */
export interface NetworkSlot {
  readonly slot: string;
  /** Variants in the built-in table's order, best guess first. */
  readonly candidates: readonly { readonly variant: string; readonly section: Section }[];
}

/**
 * The slots of a training run: of its step, and of the forward pass on single tiles that chooses the threshold. The
 * network is recorded on a device that only counts, once for each place in the candidates' order, with activations of 32
 * bits: a choice holds for 16, too.
 * @throws UsageError, ShapeError for settings that no network has; OutOfMemoryError for limits that are too small.
 */
export async function networkSlots(capabilities: Capabilities, request: StepRequest): Promise<NetworkSlot[]> {
  const slots = new Map<string, { variant: string; section: Section }[]>();
  for (const record of [recordStep, recordTile]) {
    const names = new Map<string, readonly string[]>();
    for (let place = 0; ; place++) {
      const wanted = (slot: string): string | undefined => names.get(slot)?.[place];
      const tape = new Tape(capabilities, wanted);
      const choices = watchChoices(tape);
      await record(Gpu.counting(capabilities), { ...request, stored: 'f32' }, tape);
      const fresh = new Set<string>();
      choices.forEach(({ slot, candidates, chosen, first }, i) => {
        if (place === 0) names.set(slot, candidates);
        const known = slots.get(slot) ?? [];
        if (fresh.has(slot) || known.some(({ variant }) => variant === chosen)) return;
        if (candidates[place] !== chosen) return;
        fresh.add(slot);
        const section = cutSection(tape.commands, first, endOfChoice(tape, choices, i));
        slots.set(slot, [...known, { variant: chosen, section }]);
      });
      if ([...names.values()].every((candidates) => candidates.length <= place + 1)) break;
    }
  }
  return [...slots].map(([slot, candidates]) => ({ slot, candidates }));
}

async function recordStep(gpu: Gpu, request: StepRequest, tape: Tape): Promise<void> {
  await recordTrainingStep(gpu, request, tape);
}

async function recordTile(gpu: Gpu, { network, patch, objectives }: StepRequest, tape: Tape): Promise<void> {
  const shape = [1, network.inChannels, ...patch];
  const net = await Network.create(gpu, network, { training: false, input: shape });
  const store = await TensorStore.create(gpu, 'tile', [{ name: 'input', shape }]);
  const activations = Object.fromEntries(objectives.map(({ head, loss }) => [head, loss.activation]));
  recordPrediction(tape, net, store.get('input'), { activations });
}
