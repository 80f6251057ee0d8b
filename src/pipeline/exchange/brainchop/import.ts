import { FileFormatError } from '../../../core/errors.ts';
import type { FileSource } from '../../../core/files.ts';
import { sha256 } from '../../../core/hash.ts';
import { parseJson } from '../../../core/json.ts';
import type { Model } from '../../models/model.ts';
import type { BrainchopSteps } from '../../models/steps.ts';
import { parseTask } from '../../task/task.ts';
import { type LayersFile, readLayersFile } from './layers-file.ts';
import { readMeshNet } from './meshnet-layers.ts';

/** What is said about a model that its files do not say. */
export interface BrainchopChoices {
  /** A word for the model and its output (default: the folder's name). */
  readonly name?: string | undefined;
  /** The image that it reads (default T1w). */
  readonly channel?: string | undefined;
  /** Values that become 0 and 1: the least and largest, or quantiles (default: as the file's comment says, else min-max). */
  readonly range?: BrainchopSteps['range'] | undefined;
}

/** Brainchop's cube, where the file leaves it open. */
const EXTENT = 256;
/** Edge of the patches that fine-tuning takes unless told otherwise. */
const PATCH = 64;

/**
 * Reads a MeshNet of Brainchop: model.json in TensorFlow.js's layers format with its binary files, and the labels' names
 * from a JSON file beside it (`{"labels": […]}`, or names by number).
 *
 * @param files the folder that the model lies in
 * @param name of its JSON file
 * @throws FileFormatError naming the layer or tensor that has no place in a MeshNet; StorageError.
 */
export async function importBrainchop(
  files: FileSource,
  name: string,
  choices: BrainchopChoices = {},
): Promise<{ readonly model: Model; readonly notes: readonly string[] }> {
  const file = await readLayersFile(files, name);
  const called = choices.name ?? files.name.split(/[/\\]/).filter(Boolean).at(-1) ?? '';
  const head =
    called
      .replace(/[^A-Za-z0-9]/g, '')
      .replace(/^[0-9]+/, '')
      .slice(0, 32) || 'labels';
  const { config, weights, extents } = readMeshNet(file, head);
  if (config.inChannels !== 1)
    throw new FileFormatError(file.path, `reads ${config.inChannels} channels; Brainchop's models read one`);
  const notes: string[] = [];
  const count = config.heads[0]!.channels;
  const found = await findLabels(files, count);
  if (!found)
    notes.push(
      `no file beside the model names its ${count} labels; they are called label1, label2 and so on`,
    );
  const names = (found?.labels ?? Array.from({ length: count }, (_, i) => `label${i}`)).slice(1);
  const [extent = EXTENT] = new Set(extents.map((each) => each ?? EXTENT));
  if (new Set(extents).size > 1)
    throw new FileFormatError(file.path, `its input is ${extents.join('x')}; wanted is a cube`);
  const { range = rangeOf(file) } = choices;
  const hashes: Record<string, string> = {};
  for (const path of [...file.files, ...(found ? [found.path] : [])])
    hashes[path] = await sha256(await files.read(path));
  const task = parseTask(
    {
      name: head,
      channels: [choices.channel ?? 'T1w'],
      heads: [{ name: head, labels: wordsOf(names), target: { from: 'dseg' }, decision: 'argmax' }],
    },
    file.path,
  );
  const what =
    range === 'min-max'
      ? 'its least and largest value'
      : `its ${range.map((q) => 100 * q).join(' % and ')} % quantiles`;
  const model: Model = {
    info: {
      task: { ...task, channels: task.channels! },
      network: { kind: 'meshnet', config },
      decisions: { [head]: { kind: 'argmax' } },
      patch: PATCH,
      settings: {},
      steps: { kind: 'brainchop', extent, spacing: 1, range },
      card: {
        source: `Brainchop, ${called}${file.notes.generatedBy ? ` (${file.notes.generatedBy})` : ''}`,
        licence: await licenceOf(files),
        about: `A MeshNet of ${config.channels.length} dilated layers that finds ${names.join(', ')}. The image is conformed to ${extent}x${extent}x${extent} voxels of 1 mm, ${what} become 0 and 1, the network sees it whole, and the largest piece of what it finds is kept.`,
        files: hashes,
      },
    },
    weights,
  };
  return { model, notes };
}

/** Of models that say so in a comment: "min = 5% quantile, max = 95% quantile". */
function rangeOf({ notes }: LayersFile): BrainchopSteps['range'] {
  const said = /min\s*=\s*([\d.]+)\s*%\s*quantile\D+([\d.]+)\s*%\s*quantile/i.exec(
    Object.values(notes).join('\n'),
  );
  return said ? [Number(said[1]) / 100, Number(said[2]) / 100] : 'min-max';
}

/** The labels of the first JSON file by name that has as many, the background first. */
async function findLabels(
  files: FileSource,
  count: number,
): Promise<{ readonly path: string; readonly labels: readonly string[] } | undefined> {
  const entries = (await files.list('')).filter(
    ({ name, kind }) => kind === 'file' && name.endsWith('.json'),
  );
  // A file of labels alone goes before a colour table that has them, too.
  entries.sort((a, b) => Number(b.name.startsWith('label')) - Number(a.name.startsWith('label')));
  for (const { name } of entries) {
    let value: unknown;
    try {
      value = parseJson(new TextDecoder().decode(await files.read(name)));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      continue;
    }
    const record = Object(value) as Readonly<Record<string, unknown>>;
    const listed = Array.isArray(record.labels) ? (record.labels as unknown[]) : numbered(record);
    if (listed?.length === count && listed.every((each) => typeof each === 'string'))
      return { path: name, labels: listed as string[] };
  }
  return undefined;
}

/** Names by number: {"0": "background", "1": …}. */
function numbered(record: Readonly<Record<string, unknown>>): unknown[] | undefined {
  const keys = Object.keys(record);
  return keys.length > 0 && keys.every((key, i) => key === String(i)) ? Object.values(record) : undefined;
}

/** Labels as words of letters and digits: `Cerebral-White-Matter` becomes `CerebralWhiteMatter`. */
function wordsOf(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name, i) => {
    const parts = name.split(/[^A-Za-z0-9]+/).filter(Boolean);
    const joined = parts
      .map((part, at) => (at === 0 ? part : part[0]!.toUpperCase() + part.slice(1)))
      .join('');
    let word = joined.slice(0, 32) || `label${i + 1}`;
    while (taken.has(word.toLowerCase())) word = `${word.slice(0, 28)}${i + 1}`;
    taken.add(word.toLowerCase());
    return word;
  });
}

/** The first line of a licence beside the model; null where there is none. */
async function licenceOf(files: FileSource): Promise<string | null> {
  const found = (await files.list('')).find(
    ({ name, kind }) => kind === 'file' && /^licen[cs]e(\.\w+)?$/i.test(name),
  );
  if (!found) return null;
  const text = new TextDecoder().decode(await files.read(found.name));
  return (
    text
      .split('\n')
      .map((line) => line.trim())
      .find(Boolean)
      ?.slice(0, 200) ?? null
  );
}
