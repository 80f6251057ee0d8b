import { CheckpointError } from '../core/errors.ts';

/** A trained network that the web app offers beside the user's own. */
export interface ListedModel {
  /** What the choice is called. */
  readonly name: string;
  /** Where `model.safetensors` is, relative to the list. */
  readonly file: string;
  /** What it was trained on and what it is good for, in one sentence. */
  readonly note: string;
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
    value = JSON.parse(text);
  } catch (cause) {
    refuse('is no JSON', cause);
  }
  // Checked by hand: the page reads it, and a library for such checks would be most of the page.
  const { models } = (value ?? {}) as { models?: unknown };
  if (!Array.isArray(models)) return refuse('has no list of models');
  return models.map((model: unknown, i) => {
    const { name, file, note } = (model ?? {}) as Partial<Record<keyof ListedModel, unknown>>;
    if (typeof name !== 'string' || name === '' || typeof note !== 'string')
      return refuse(`model ${i + 1} has no name or no note`);
    if (typeof file !== 'string' || !FILE.test(file))
      return refuse(
        `model ${i + 1} has the file ${JSON.stringify(file)}, which is no path like models/NAME.safetensors`,
      );
    return { name, file, note };
  });
}

/** The text of a list that {@link parseModelList} reads. */
export function formatModelList(models: readonly ListedModel[]): string {
  return `${JSON.stringify({ models }, null, 2)}\n`;
}
