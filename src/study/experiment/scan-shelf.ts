import { recordedChoices } from '../../imaging/dataset/choices.ts';
import { type Dataset, scanName } from '../../imaging/dataset/dataset.ts';
import { hashInputs, type InputFile } from '../../imaging/dataset/inputs.ts';
import type { PreparedScan } from '../../imaging/dataset/preprocess.ts';
import {
  chooseTraining,
  prepareScan,
  type TrainingData,
  trainingInputs,
} from '../../pipeline/train/prepare.ts';
import type { TrainSettings } from '../../pipeline/train/settings.ts';
import { predictsTissues, takesTissues, type Variant } from '../presets/index.ts';

/**
 * Training scans, prepared once and kept for the units that follow: those without tissue maps for good, those with
 * maps as long as the units ask for the same maps. One shelf serves one experiment, whose nets share modalities,
 * rater and patch.
 */
export class ScanShelf {
  readonly #plain: Map<string, PreparedScan> = new Map();
  readonly #mapped: Map<string, PreparedScan> = new Map();
  #source: string | null = null;
  /** Of the files that were read, by scan and what was asked for. */
  readonly #inputs: Map<string, readonly InputFile[]> = new Map();

  /** What `prepareTraining` gives, and with the same errors. */
  async training(
    dataset: Dataset,
    wanted: TrainSettings,
    onScan: (done: number, total: number, name: string) => void = () => {},
  ): Promise<TrainingData> {
    const { settings, scans } = chooseTraining(dataset, wanted);
    const { preset, maps } = settings;
    const reads = takesTissues(preset as Variant);
    const withMaps = reads || predictsTissues(preset as Variant);
    if (withMaps && this.#source !== maps) {
      this.#mapped.clear();
      this.#source = maps;
    }
    const shelf = withMaps ? this.#mapped : this.#plain;
    const prepared: PreparedScan[] = [];
    const inputs: Record<string, readonly InputFile[]> = {};
    const asked = trainingInputs(settings);
    for (const scan of scans) {
      const name = scanName(scan);
      // Maps that are read lie in another place of a scan than maps that are learned.
      const key = `${name}, ${reads ? 'read' : 'learned'}`;
      const found = shelf.get(key) ?? (await prepareScan(dataset, scan, settings));
      shelf.set(key, found);
      prepared.push(found);
      const files = `${name} ${JSON.stringify(asked)}`;
      inputs[name] = this.#inputs.get(files) ?? (await hashInputs(dataset, scan, asked));
      this.#inputs.set(files, inputs[name]);
      onScan(prepared.length, scans.length, name);
    }
    return { settings, scans: prepared, inputs, choices: recordedChoices(dataset.choices) };
  }
}
