import fc from 'fast-check';
import { gzipSync } from 'fflate';
import { VoxelgradError } from '../../src/core/errors.ts';
import { MemoryFiles } from '../../src/core/files.ts';
import { toTriple } from '../../src/core/shape.ts';
import { readSafetensors } from '../../src/engine/checkpoint/safetensors.ts';
import { encodeTrainingState } from '../../src/engine/checkpoint/training-state.ts';
import { findScans } from '../../src/imaging/dataset/dataset.ts';
import { loadScan } from '../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../src/imaging/dataset/open-dataset.ts';
import { readParticipants } from '../../src/imaging/dataset/participants.ts';
import { readNifti } from '../../src/imaging/nifti/read.ts';
import { decodeModel, decodeTrainingState, encodeModel } from '../../src/pipeline/models/model.ts';
import { readManifest, readRunConfig } from '../../src/pipeline/train/run-record.ts';
import { trainSettings } from '../../src/pipeline/train/settings.ts';
import { parseLog } from '../../src/pipeline/train/step-log.ts';
import { makeModel, makeState } from '../../test/engine/checkpoint/make.ts';
import { bidsPatient } from '../../test/imaging/dataset/make.ts';
import { rawNifti } from '../../test/imaging/nifti/make.ts';
import type { Outcome } from './workspace.ts';

/** Something that reads bytes from outside: it must end well, or in an error of our own. */
export interface Target {
  readonly name: string;
  /** Sound inputs that are mutated. */
  readonly corpus: readonly Uint8Array[];
  /** Reads, and throws where what came of it is not sound. */
  read(bytes: Uint8Array): Promise<void>;
}

/** What came of many inputs. */
export interface Count {
  readonly inputs: number;
  /** Taken for good; the others ended in an error of our own. */
  readonly read: number;
  readonly slowestMs: number;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const json = (value: unknown): Uint8Array => encode(JSON.stringify(value));

function requireFinite(values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(values[i])) throw new Error(`value ${i} is ${values[i]}`);
}

async function readVolume(bytes: Uint8Array): Promise<void> {
  const { volume } = await readNifti(bytes, 'x');
  requireFinite(volume.data);
  // Deflate gives at most 1032 bytes for one.
  if (volume.data.length > 1032 * bytes.length)
    throw new Error(`${volume.data.length} voxels of ${bytes.length} bytes`);
}

/** Everything that is read from files. @param headers first bytes of real NIfTI files, where there are any */
export async function inputTargets(headers: readonly Uint8Array[] = []): Promise<Target[]> {
  const srow = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0];
  const volumes = ([1, 2] as const).flatMap((version) =>
    [true, false].map((littleEndian) =>
      rawNifti({ version, littleEndian, datatype: 'int16', qform: 1, sform: 1, srow }),
    ),
  );
  const settings = { ...trainSettings({ variant: 'single' }), subjects: ['01'], modalities: ['FLAIR'] };
  const config = { settings, data: { 'sub-01': 'a' }, kernels: { a: 'b' }, adapter: 'a', version: '1' };
  const manifest = {
    ...{ variant: 'single', steps: 1, seconds: 1, finalLoss: 1, threshold: 0.5, trainDice: 1 },
    ...{
      best: { step: 1, loss: 1 },
      hash: 'a',
      configHash: 'b',
      adapter: 'c',
      version: '1',
      files: { a: 'b' },
    },
  };
  const line = '{"step":1,"epoch":1,"loss":0.5,"seconds":1,"hash":"a"}\n';
  const patient = bidsPatient('01');
  const model = encodeModel(makeModel());
  const root = (name: string, bytes: Uint8Array): MemoryFiles => {
    const files = new MemoryFiles('x');
    files.files.set(name, bytes);
    return files;
  };
  return [
    { name: 'NIfTI', corpus: [...volumes, ...headers], read: readVolume },
    {
      name: 'gzipped NIfTI',
      corpus: volumes.map((bytes) => gzipSync(bytes, { level: 6, mtime: 0 })),
      read: readVolume,
    },
    {
      name: 'safetensors',
      corpus: [model],
      async read(bytes) {
        for (const { data, shape } of readSafetensors(bytes, 'x').tensors.values())
          if (data.length !== shape.reduce((a, b) => a * b, 1)) throw new Error('a tensor of another size');
      },
    },
    {
      name: 'model',
      corpus: [model],
      async read(bytes) {
        for (const values of decodeModel(bytes, 'x').weights.values()) requireFinite(values);
      },
    },
    {
      name: 'training checkpoint',
      corpus: [await encodeTrainingState(makeState())],
      async read(bytes) {
        for (const values of (await decodeTrainingState(bytes, 'x')).adamV.values()) requireFinite(values);
      },
    },
    {
      name: 'settings',
      corpus: [json(settings)],
      async read(bytes) {
        let value: unknown;
        try {
          value = JSON.parse(new TextDecoder().decode(bytes));
        } catch {
          return;
        }
        const { patch, levels } = trainSettings(value);
        const odd = toTriple(patch).some((edge) => edge % 2 ** (levels - 1) !== 0);
        if (odd) throw new Error('a patch that the levels do not divide');
      },
    },
    {
      name: 'config.json',
      corpus: [json(config)],
      read: async (bytes) => void (await readRunConfig(root('config.json', bytes))),
    },
    {
      name: 'manifest.json',
      corpus: [json(manifest)],
      read: async (bytes) => void (await readManifest(root('manifest.json', bytes))),
    },
    {
      name: 'participants.tsv',
      corpus: [encode('participant_id\tage\nsub-01\t40\nsub-02\tn/a\n')],
      async read(bytes) {
        for (const warning of (await readParticipants(root('participants.tsv', bytes), ['01'])).warnings)
          if (/[\n\r]/.test(warning)) throw new Error('a warning of more than one line');
      },
    },
    {
      name: 'log.jsonl',
      corpus: [encode(line + line.replace('1', '2'))],
      async read(bytes) {
        requireFinite(parseLog(bytes, 'x').steps.map(({ loss }) => loss));
      },
    },
    {
      name: 'a scan of a data set',
      corpus: Object.keys(patient).map((path) => encode(path)),
      async read(bytes) {
        // The mutated name of a file stands for the file: another name, or content that is the name.
        const text = new TextDecoder().decode(bytes);
        const files = new MemoryFiles('x');
        for (const [path, content] of Object.entries(patient)) files.files.set(path, content);
        const [path = '', content] = Object.entries(patient).find(([name]) => name[0] !== text[0]) ?? [];
        files.files.delete(path);
        files.files.set(text, content ?? bytes);
        const dataset = await openDataset(files);
        for (const scan of findScans(dataset))
          requireFinite(
            (await loadScan(dataset, scan, { modalities: ['FLAIR'], tissue: false })).channels[0]!.data,
          );
      },
    },
  ];
}

/** A change of some bytes. */
export type Edit =
  | { readonly kind: 'set' | 'flip' | 'cut' | 'repeat' | 'end'; readonly at: number; readonly value: number }
  | { readonly kind: 'text'; readonly at: number; readonly value: string };

/** What names and numbers are attacked with. */
const TEXTS = ['..', '/', '\0', '-1', '1e999', '"', '{', '\u202e', '99999999999', 'NaN', '__proto__'];
const change = (kind: 'set' | 'flip' | 'cut' | 'repeat' | 'end', most: number): fc.Arbitrary<Edit> =>
  fc.record({ kind: fc.constant(kind), at: fc.nat(), value: fc.nat(most) });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  change('set', 255),
  change('flip', 7),
  change('cut', 64),
  change('repeat', 64),
  change('end', 0),
  fc.record({ kind: fc.constant('text' as const), at: fc.nat(), value: fc.constantFrom(...TEXTS) }),
);

/** Changes bytes in the way that disks, editors and attackers do. */
export function mutate(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  let out = Array.from(bytes);
  for (const { kind, at, value } of edits) {
    const place = out.length > 0 ? at % out.length : 0;
    if (kind === 'set') out[place] = value;
    else if (kind === 'flip') out[place] = (out[place] ?? 0) ^ (1 << value);
    else if (kind === 'cut') out.splice(place, value);
    else if (kind === 'repeat') out.splice(place, 0, ...out.slice(place, place + value));
    else if (kind === 'text') out.splice(place, value.length, ...new TextEncoder().encode(value));
    else out = out.slice(0, place);
  }
  return Uint8Array.from(out);
}

/** Processor time that an input may take: a busy machine may keep any of them waiting. */
const MOST_MS = 2000;

/**
 * Reads mutated inputs.
 * @throws fast-check's report, with the shrunk input, where one ends in anything but success or an error of our own.
 */
export async function mutatedInputs(target: Target, inputs: number, seed: number): Promise<Count> {
  let read = 0;
  let slowestMs = 0;
  const property = fc.asyncProperty(
    fc.nat(target.corpus.length - 1),
    fc.array(edit, { minLength: 0, maxLength: 6 }),
    async (which, edits) => {
      const bytes = mutate(target.corpus[which]!, edits);
      const start = process.cpuUsage();
      try {
        await target.read(bytes);
        read++;
      } catch (error) {
        if (!(error instanceof VoxelgradError)) throw error;
      }
      const { user, system } = process.cpuUsage(start);
      const took = (user + system) / 1000;
      slowestMs = Math.max(slowestMs, took);
      if (took > MOST_MS) throw new Error(`took ${took.toFixed(0)} ms of processor time`);
    },
  );
  await fc.assert(property, { numRuns: inputs, seed });
  return { inputs, read, slowestMs };
}

/** Mutated inputs of every kind, round after round. @param enough asked between rounds */
export async function inputs(
  headers: readonly Uint8Array[],
  seed: number,
  enough: () => boolean,
): Promise<Outcome> {
  const targets = await inputTargets(headers);
  let total = 0;
  let read = 0;
  let slowest = 0;
  for (let round = 0; round === 0 || !enough(); round++)
    for (const target of targets) {
      const count = await mutatedInputs(target, 200, seed + round);
      total += count.inputs;
      read += count.read;
      slowest = Math.max(slowest, count.slowestMs);
    }
  return {
    promise: 'bad input ends in success or an error of our own',
    counts: `${total} mutated inputs of ${targets.length} kinds (${headers.length} real headers): ${read} read, ${total - read} refused, slowest ${slowest.toFixed(0)} ms of processor time`,
    kept: true,
  };
}
