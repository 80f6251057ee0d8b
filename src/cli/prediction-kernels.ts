import type { FileSource } from '../core/files.ts';
import type { Capabilities } from '../engine/gpu/capabilities.ts';
import { TuningCache, tuningKey } from '../engine/tune/cache.ts';
import { hasFile, RUN_FILES } from '../pipeline/train/run-record.ts';
import { cacheFolder } from '../platform/cache-folder.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { recordedKernels } from './settings.ts';

/**
 * Kernel variants by slot for a prediction: those that the run recorded on such an adapter, so that it gives the
 * probabilities that training's threshold was chosen on; for slots that the run had not, as with another tile, those
 * that `tune` found. The built-in table decides the rest.
 * @throws StorageError where the run's config.json cannot be read.
 */
export async function predictionKernels(
  run: FileSource,
  capabilities: Capabilities,
): Promise<Readonly<Record<string, string>>> {
  const tuned = await new TuningCache(new NodeFolder(cacheFolder())).read(await tuningKey(capabilities));
  const recorded = (await hasFile(run, RUN_FILES.config))
    ? recordedKernels(new TextDecoder().decode(await run.read(RUN_FILES.config)), capabilities.description)
    : {};
  const found = [...tuned].map(([slot, { variant }]) => [slot, variant] as const);
  return { ...Object.fromEntries(found), ...recorded };
}
