import type { NetworkSpec } from '../../src/engine/nn/network.ts';
import { type ModelInfo, parseModelInfo } from '../../src/pipeline/models/model.ts';
import type { Variant } from '../../src/study/presets/index.ts';

/** What models said of themselves before there were tasks. */
export interface OldInfo {
  readonly variant: Variant;
  readonly network: NetworkSpec;
  readonly modalities: readonly string[];
  readonly threshold: number;
  readonly patch: number;
  readonly spacing?: ModelInfo['spacing'];
  readonly settings: ModelInfo['settings'];
}

/** A preset's model by what such models said of themselves before there were tasks. */
export function presetInfo(info: OldInfo): ModelInfo {
  return parseModelInfo(info, 'a preset');
}
