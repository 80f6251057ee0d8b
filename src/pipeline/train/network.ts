import { type Extents, type Triple, toTriple } from '../../core/shape.ts';
import type { NetworkSpec } from '../../engine/nn/network.ts';
import { DEFAULT_KIND, designNetwork } from '../../engine/nn/networks/index.ts';
import { findPreset } from '../task/presets.ts';
import { headChannels, inputChannels, isScanValue, type Task } from '../task/task.ts';

/** What of a run's settings makes its network. */
export interface NetworkSettings {
  readonly preset: string | null;
  readonly task: Task | null;
  /** Kind of network; null for the preset's, or the default one. */
  readonly network: string | null;
  /** Fields of its configuration that are not to be designed. */
  readonly networkConfig: Readonly<Record<string, unknown>> | null;
  readonly modalities: readonly string[];
  readonly baseChannels: number;
  readonly levels: number;
  readonly patch: Extents;
}

/** What settings say is to be learned. @throws UsageError for a preset that is not known. */
export function taskOf({ preset, task }: Pick<NetworkSettings, 'preset' | 'task'>): Task {
  return task ?? findPreset(String(preset)).task;
}

/** What messages call it: the preset, or the task. */
export function taskName({ preset, task }: Pick<NetworkSettings, 'preset' | 'task'>): string {
  return task?.name ?? String(preset);
}

/**
 * The network that settings ask for.
 * @param spacing edges of a voxel in mm, [z, y, x], if they are known: some kinds are designed by them
 * @throws UsageError for an unknown kind or field, and for widths that no network has.
 */
export function networkOf(settings: NetworkSettings, spacing?: Triple): NetworkSpec {
  const { modalities, baseChannels, levels, patch, networkConfig } = settings;
  const task = taskOf(settings);
  const usual = settings.preset === null ? undefined : findPreset(settings.preset).network;
  const kind = settings.network ?? usual?.kind ?? DEFAULT_KIND;
  return designNetwork(
    kind,
    {
      inChannels: inputChannels(task, modalities).length,
      heads: task.heads.map((head) => ({
        name: head.name,
        channels: headChannels(head),
        ...(isScanValue(head) ? { perScan: true } : {}),
      })),
      baseChannels,
      levels,
      patch: toTriple(patch),
      spacing,
    },
    { ...(usual?.kind === kind ? usual.given : {}), ...networkConfig },
  );
}
