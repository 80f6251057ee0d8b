import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import {
  CheckpointError,
  FileFormatError,
  StorageError,
  VerificationError,
} from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { decodeModel, mainThreshold } from '../../../src/pipeline/models/model.ts';
import type { TrainingData } from '../../../src/pipeline/train/prepare.ts';
import { type RunFolderOptions, runStatus, trainInFolder } from '../../../src/pipeline/train/run-folder.ts';
import { readManifest, readRunConfig } from '../../../src/pipeline/train/run-record.ts';
import { parseLog } from '../../../src/pipeline/train/step-log.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinyData } from './fixture.ts';

// A software driver compiles for seconds.
vi.setConfig({ testTimeout: 240_000 });
const context = useGpu();
const text = (files: MemoryFiles, name: string): string => new TextDecoder().decode(files.files.get(name));

async function run(
  files: MemoryFiles,
  data: TrainingData,
  options: Partial<RunFolderOptions> = {},
): Promise<readonly number[]> {
  const all = { resume: false, version: '1.2.3', hashEvery: 2, checkpointSteps: 2, ...options };
  return (await trainInFolder(context.gpu, data, files, all)).losses;
}

/** What a run leaves, without the times in it. */
function left(files: MemoryFiles): Record<string, unknown> {
  const json = (line: string): object => ({ ...(JSON.parse(line) as object), seconds: 0 });
  const { files: hashes, ...manifest } = json(text(files, 'manifest.json')) as { files: object };
  return {
    names: [...files.files.keys()].sort(),
    log: text(files, 'log.jsonl').trimEnd().split('\n').map(json),
    config: text(files, 'config.json'),
    model: createHash('sha256').update(files.files.get('model.safetensors')!).digest('hex'),
    manifest,
    hashed: Object.keys(hashes),
  };
}

class Killed extends Error {}

/** A tree whose process is killed at its n-th change; an append may come half-way. */
class MortalFiles extends MemoryFiles {
  left: number;
  constructor(left: number) {
    super('run');
    this.left = left;
  }
  override write(path: string, bytes: Uint8Array): Promise<void> {
    if (this.left-- > 0) return super.write(path, bytes);
    this.files.set(path.replace(/([^/]*)$/, '.$1.9-9.tmp'), bytes.subarray(0, bytes.length >> 1));
    return Promise.reject(new Killed());
  }
  override append(path: string, bytes: Uint8Array): Promise<void> {
    if (this.left-- > 0) return super.append(path, bytes);
    return super.append(path, bytes.subarray(0, bytes.length >> 1)).then(() => {
      throw new Killed();
    });
  }
  override remove(path: string): Promise<void> {
    if (this.left-- > 0) return super.remove(path);
    return Promise.reject(new Killed());
  }
}

describe('a run in a folder', () => {
  it('leaves its config, log, checkpoints, model and manifest', async () => {
    const files = new MemoryFiles('run');
    const data = await tinyData();
    expect(await runStatus(files)).toBe('empty');
    const losses = await run(files, data);
    expect(await runStatus(files)).toBe('finished');
    const config = await readRunConfig(files);
    expect(config.settings).toEqual(data.settings);
    expect(Object.keys(config.data)).toEqual(['sub-01', 'sub-02']);
    expect(config.version).toBe('1.2.3');
    expect(Object.keys(config.kernels).some((slot) => slot.startsWith('conv3d/'))).toBe(true);
    const { steps } = parseLog(files.files.get('log.jsonl')!, 'log');
    expect(steps.map(({ loss }) => loss)).toEqual(losses);
    const manifest = (await readManifest(files))!;
    expect(manifest.hash).toBe(steps[5]!.hash);
    expect(manifest.finalLoss).toBe(losses.at(-1));
    const { info } = decodeModel(files.files.get('model.safetensors')!, 'm');
    expect(mainThreshold(info)).toBe(manifest.threshold);
    expect(
      [...files.files.keys()]
        .filter((name) => name.startsWith('checkpoints/'))
        .map((name) => name.slice(-14)),
    ).toEqual(['04.safetensors', '06.safetensors']);
  });

  it('goes on after a kill at whatever change of its files, to the same bits', {
    timeout: 240_000,
  }, async () => {
    const data = await tinyData({ steps: 4 });
    const whole = new MortalFiles(1e6);
    await run(whole, data);
    const changes = 1e6 - whole.left;
    expect(changes).toBeGreaterThan(12);
    for (let at = 0; at < changes; at++) {
      const files = new MortalFiles(at);
      await expect(run(files, data), `change ${at}`).rejects.toThrow(Killed);
      // The second process is killed too, a little later; the third comes through.
      if (at % 3 === 0 && files.files.has('config.json')) {
        files.left = 7;
        await run(files, data, { resume: true }).catch((error: unknown) => {
          expect(error).toBeInstanceOf(Killed);
        });
      }
      files.left = 1e6;
      const started = files.files.has('config.json');
      const losses = await run(files, data, { resume: started });
      expect(left(files), `killed at change ${at}`).toEqual(left(whole));
      expect(losses).toHaveLength(4);
    }
  });

  it('goes on from the older checkpoint where the newest is damaged, with a warning', async () => {
    const data = await tinyData();
    const whole = new MemoryFiles('run');
    await run(whole, data);
    const files = new MemoryFiles('run');
    for (const [name, bytes] of whole.files) files.files.set(name, bytes.slice());
    for (const name of ['manifest.json', 'model.safetensors']) files.files.delete(name);
    files.files.get('checkpoints/step-000000006.safetensors')![5000]! ^= 1;
    const warnings: string[] = [];
    await run(files, data, { resume: true, warn: (warning) => warnings.push(warning) });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/step-000000006.safetensors: .*an older checkpoint is looked for/);
    expect(left(files)).toEqual(left(whole));
  });

  it('refuses other settings, other data and nothing at all, and touches no file then', async () => {
    const files = new MemoryFiles('run');
    await expect(run(files, await tinyData(), { resume: true })).rejects.toThrow(StorageError);
    await run(files, await tinyData());
    const before = new Map(files.files);
    await expect(run(files, await tinyData({ clip: 1 }), { resume: true })).rejects.toThrow(
      'run/config.json: the run has other settings: clip was 12 and is 1',
    );
    const { settings, scans } = await tinyData();
    const changed = scans.map((scan) => ({ ...scan, input: scan.input.map((v) => v * 2) }));
    await expect(run(files, { settings, scans: changed }, { resume: true })).rejects.toThrow(
      'run/config.json: the run was trained on other data: sub-01 differs, sub-02 differs',
    );
    files.files.set('config.json', new TextEncoder().encode('{"settings": {}}'));
    await expect(run(files, await tinyData(), { resume: true })).rejects.toThrow(FileFormatError);
    files.files.set('config.json', before.get('config.json')!);
    expect(new Map(files.files)).toEqual(before);
  });

  it('is repeated step by step against an earlier log, or stops at the first that differs', async () => {
    const data = await tinyData();
    const first = new MemoryFiles('run');
    await run(first, data);
    const { steps } = parseLog(first.files.get('log.jsonl')!, 'old');
    const verify = { name: 'old.jsonl', steps };
    const again = new MemoryFiles('again');
    await run(again, data, { verify });
    expect(left(again)).toEqual(left(first));
    const other = { name: 'old.jsonl', steps: steps.map((s) => (s.step === 4 ? { ...s, hash: 'x' } : s)) };
    const stopped = run(new MemoryFiles(), data, { verify: other });
    await expect(stopped).rejects.toThrow(VerificationError);
    await expect(stopped).rejects.toThrow(
      /^step 4: the hash of the state is [0-9a-f]{64}, but old.jsonl says x$/,
    );
    await expect(run(new MemoryFiles(), await tinyData({ seed: 2 }), { verify })).rejects.toThrow(
      /^step 1: the loss is /,
    );
    const short = { name: 'old.jsonl', steps: steps.slice(0, 3) };
    await expect(run(new MemoryFiles(), data, { verify: short })).rejects.toThrow(
      'step 4: old.jsonl ends at step 3',
    );
  });

  it('keeps what it had where the disk is full, and goes on when there is space', async () => {
    const data = await tinyData();
    const whole = new MemoryFiles('run');
    await run(whole, data);
    const files = new MemoryFiles('run');
    const write = files.write.bind(files);
    files.write = (path, bytes) =>
      path.includes('step-000000004')
        ? Promise.reject(new StorageError(`${path}: cannot be written: no space left on the disk (ENOSPC)`))
        : write(path, bytes);
    await expect(run(files, data)).rejects.toThrow(/no space left on the disk/);
    expect(await runStatus(files)).toBe('unfinished');
    files.write = write;
    await run(files, data, { resume: true });
    expect(left(files)).toEqual(left(whole));
  });

  it('records its kernels, and repeats and resumes with them rather than with the best guess', async () => {
    const data = await tinyData();
    const guessed = new MemoryFiles('guessed');
    await run(guessed, data);
    const best = (await readRunConfig(guessed)).kernels;
    // Every device has two ways for a kernel of one voxel.
    const slots = Object.keys(best).filter((slot) => /^conv3d\/.* k1 /.test(slot));
    expect(slots.length).toBeGreaterThan(1);
    const other = (name: string | undefined): string => (name === 'tile' ? 'pointwise' : 'tile');
    const kernels = { ...best, ...Object.fromEntries(slots.map((slot) => [slot, other(best[slot])])) };
    const whole = new MemoryFiles('run');
    await run(whole, data, { kernels });
    expect((await readRunConfig(whole)).kernels).toEqual(kernels);
    const files = new MortalFiles(9);
    await expect(run(files, data, { kernels })).rejects.toThrow(Killed);
    files.left = 1e6;
    await run(files, data, { resume: true });
    expect(left(files)).toEqual(left(whole));
  });

  it('begins from given weights, goes on from them, and refuses others', async () => {
    const data = await tinyData();
    const earlier = new MemoryFiles('earlier');
    await run(earlier, data);
    const initial = decodeModel(earlier.files.get('model.safetensors')!, 'm').weights;
    const whole = new MemoryFiles('run');
    const [first] = await run(whole, data, { initial });
    const [unlike] = (await run(new MemoryFiles('drawn'), data)).slice(0, 1);
    expect(first).not.toBe(unlike);
    expect((await readRunConfig(whole)).initial).toMatch(/^[0-9a-f]{64}$/);
    const files = new MortalFiles(9);
    await expect(run(files, data, { initial })).rejects.toThrow(Killed);
    files.left = 1e6;
    await expect(run(files, data, { resume: true })).rejects.toThrow(
      /the run began from the weights [0-9a-f]{12}…, not from weights that the seed draws/,
    );
    await run(files, data, { initial, resume: true });
    expect(left(files)).toEqual(left(whole));

    // A checkpoint holds what came of them.
    const later = new MortalFiles(16);
    await expect(run(later, data, { initial })).rejects.toThrow(Killed);
    expect([...later.files.keys()].some((path) => path.startsWith('checkpoints/'))).toBe(true);
    later.left = 1e6;
    await run(later, data, { resume: true });
    expect(left(later)).toEqual(left(whole));
  });

  it('is not resumed from a log that ends too early', async () => {
    const data = await tinyData();
    const files = new MemoryFiles('run');
    await run(files, data);
    files.files.delete('manifest.json');
    files.files.set('log.jsonl', new TextEncoder().encode(text(files, 'log.jsonl').split('\n')[0]!));
    await expect(run(files, data, { resume: true })).rejects.toThrow(FileFormatError);
    files.files.get('checkpoints/step-000000004.safetensors')![5000]! ^= 1;
    files.files.get('checkpoints/step-000000006.safetensors')![5000]! ^= 1;
    await expect(run(files, data, { resume: true })).rejects.toThrow(CheckpointError);
  });
});
