import { CheckpointError } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';

/** A trained network that the web app offers beside the user's own. */
export interface ListedModel {
  /** What the choice is called. */
  readonly name: string;
  /** Where `model.safetensors` is, relative to the list. */
  readonly file: string;
  /** For a network that reads maps beside the images: where the net of stage 1 is that corrects those that are made. */
  readonly stageOne?: string | undefined;
  /** What it was trained on and what it is good for, in one sentence. */
  readonly note: string;
  /** Under which it may be used; left out where nobody said. */
  readonly licence?: string;
}

/** Where the web app finds its list. */
export const MODEL_LIST_FILE = 'models.json';

/** A plain relative path: the list cannot send the page elsewhere. */
const FILE = /^[\w-]+(\/[\w-]+)*\.safetensors$/;

/** Reads a list of models. @throws CheckpointError where it is none. */
export function parseModelList(text: string, path: string): readonly ListedModel[] {
  const refuse = (why: string, cause?: unknown): never => {
    throw new CheckpointError(`${path}: ${why}`, {
      hint: 'It holds {"models": [{"name": …, "file": "models/NAME.safetensors", "note": …}]}.',
      cause,
    });
  };
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    refuse('is not JSON', cause);
  }
  // Checked by hand: the page reads it, and a library for such checks would be most of the page.
  const { models } = (value ?? {}) as { models?: unknown };
  if (!Array.isArray(models)) return refuse('has no list of models');
  return models.map((model: unknown, i) => {
    const { name, file, note, stageOne, licence } = (model ?? {}) as Partial<
      Record<keyof ListedModel, unknown>
    >;
    if (typeof name !== 'string' || name === '' || typeof note !== 'string')
      return refuse(`model ${i + 1} has no name or no note`);
    const isPath = (path: unknown): path is string => typeof path === 'string' && FILE.test(path);
    const noPath = (path: unknown): never =>
      refuse(
        `model ${i + 1} has the file ${JSON.stringify(path)}, which is not a path like models/NAME.safetensors`,
      );
    if (!isPath(file)) return noPath(file);
    const told = { note, ...(typeof licence === 'string' ? { licence } : {}) };
    if (stageOne === undefined) return { name, file, ...told };
    return isPath(stageOne) ? { name, file, stageOne, ...told } : noPath(stageOne);
  });
}

/** The text of a list that {@link parseModelList} reads. */
export function formatModelList(models: readonly ListedModel[]): string {
  return `${JSON.stringify({ models }, null, 2)}\n`;
}
