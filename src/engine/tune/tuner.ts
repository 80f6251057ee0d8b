import type { FileSink, FileSource } from '../../core/files.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { StepRequest } from '../nn/training-step.ts';
import { type TunedSlot, TuningCache, tuningKey } from './cache.ts';
import { compileAhead } from './compile-ahead.ts';
import { type NetworkSlot, networkSlots } from './network-slots.ts';
import { DEFAULT_TUNING, searched, type TuneOptions, tuneSlot } from './tune.ts';

/** A slot of a network and what it got. */
export interface TuningResult extends TunedSlot {
  readonly slot: string;
  /** What the built-in table would choose. */
  readonly guess: string;
  /** False where an earlier search had found it. */
  readonly searched: boolean;
}

/** How a network is tuned. */
export interface TunerOptions extends Partial<TuneOptions> {
  /** Search again what an earlier search found. */
  readonly again: boolean;
  /** Another device of the same adapter, which helps to compile where the driver uses one thread a device for it. */
  readonly beside?: Gpu | undefined;
  /** Called before each slot, and at the end. */
  onSlot?(done: number, total: number, slot: string): void;
}

/**
 * Searches every slot that a training step asks for, and keeps each choice at once, so that an
 * interrupted search goes on where it was.
 * @throws UsageError, ShapeError, OutOfMemoryError, GpuError; StorageError where the cache cannot be written.
 */
export async function tuneNetwork(
  gpu: Gpu,
  request: StepRequest,
  files: FileSource & FileSink,
  options: TunerOptions,
): Promise<TuningResult[]> {
  const cache = new TuningCache(files);
  const key = await tuningKey(gpu.capabilities);
  const known = await cache.read(key);
  const slots = await networkSlots(gpu.capabilities, request);
  const tuning = { ...DEFAULT_TUNING, ...options };
  const knownOf = ({ slot, candidates }: NetworkSlot): TunedSlot | undefined => {
    const old = options.again ? undefined : known.get(slot);
    // A variant that is no candidate any more is no choice.
    return old && candidates.some(({ variant }) => variant === old.variant) ? old : undefined;
  };
  let slow: ReadonlySet<string> = new Set();
  if (options.beside) {
    options.onSlot?.(0, slots.length, 'compiling');
    const sections = slots
      .filter((each) => each.candidates.length > 1 && !knownOf(each))
      .flatMap((each) => searched(each).map(({ section }) => section));
    slow = await compileAhead([gpu, options.beside], sections, tuning.compileSeconds * 1000);
  }
  const own = new Map<string, TunedSlot>();
  const results: TuningResult[] = [];
  for (const [i, each] of slots.entries()) {
    options.onSlot?.(i, slots.length, each.slot);
    const valid = knownOf(each);
    const tuned = valid ?? (await tuneSlot(gpu, each, { ...tuning, slow }));
    results.push({ slot: each.slot, guess: each.candidates[0]!.variant, searched: !valid, ...tuned });
    if (valid) continue;
    own.set(each.slot, tuned);
    await cache.add(key, own);
  }
  options.onSlot?.(slots.length, slots.length, 'done');
  return results;
}

/**
 * Tuned variants by slot for a run with this step: those of its slots that an earlier search found. Empty where nothing
 * was tuned, so that the built-in table decides.
 */
export async function tunedKernels(
  capabilities: Capabilities,
  request: StepRequest,
  files: FileSource & FileSink,
): Promise<Readonly<Record<string, string>>> {
  const known = await new TuningCache(files).read(await tuningKey(capabilities));
  if (known.size === 0) return {};
  const slots = await networkSlots(capabilities, request);
  return Object.fromEntries(
    slots.flatMap(({ slot, candidates }) => {
      const variant = known.get(slot)?.variant;
      return candidates.some((candidate) => candidate.variant === variant) ? [[slot, variant!]] : [];
    }),
  );
}
