import { beforeAll, describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../../src/core/files.ts';
import { trainInFolder } from '../../../src/pipeline/train/run-folder.ts';
import { verifyRun } from '../../../src/pipeline/train/verify-run.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinyData } from './fixture.ts';

const context = useGpu();
const whole = new MemoryFiles('run');
const LAST = 'checkpoints/step-000000006.safetensors';

beforeAll(async () => {
  const options = { resume: false, version: '1.2.3', checkpointSteps: 2, hashEvery: 2 };
  await trainInFolder(context.gpu, await tinyData(), whole, options);
});

/** A copy of the run with something changed. */
function changed(change: (files: Map<string, Uint8Array>) => void): MemoryFiles {
  const copy = new MemoryFiles('run');
  for (const [name, bytes] of whole.files) copy.files.set(name, bytes.slice());
  change(copy.files);
  return copy;
}

async function faults(change: (files: Map<string, Uint8Array>) => void): Promise<string[]> {
  const { checks } = await verifyRun(changed(change));
  return checks.filter(({ passed }) => !passed).map(({ file, text }) => `${file}: ${text}`);
}

function edit(name: string, from: string | RegExp, to: string): (files: Map<string, Uint8Array>) => void {
  return (files) => {
    const text = new TextDecoder().decode(files.get(name));
    const edited = text.replace(from, to);
    expect(edited).not.toBe(text);
    files.set(name, new TextEncoder().encode(edited));
  };
}

describe('verifying a run', () => {
  it('passes a sound one, finished or not', async () => {
    const { status, version, checks } = await verifyRun(whole);
    expect([status, version]).toEqual(['finished', '1.2.3']);
    expect(checks.map(({ file, passed }) => [file, passed])).toEqual([
      ['config.json', true],
      ['log.jsonl', true],
      ['checkpoints, step 4', true],
      ['checkpoints, step 6', true],
      ['manifest.json', true],
      ['model.safetensors', true],
    ]);
    const half = changed((files) => {
      for (const name of ['manifest.json', 'model.safetensors']) files.delete(name);
      edit('log.jsonl', /"seconds".*\n$/, '')(files);
    });
    half.files.delete(LAST);
    const unfinished = await verifyRun(half);
    expect(unfinished.status).toBe('unfinished');
    expect(unfinished.checks.every(({ passed }) => passed)).toBe(true);
  });

  it('finds every file in which one byte changed', async () => {
    for (const [name, content] of whole.files)
      for (const place of [0.1, 0.5, 0.9]) {
        const at = Math.floor(content.length * place);
        const found = await faults((files) => {
          files.get(name)![at]! ^= 1;
        });
        // A digit of a time in the manifest is the one thing that nothing else tells of.
        if (name !== 'manifest.json') expect(found.length, `${name}, byte ${at}`).toBeGreaterThan(0);
      }
  });

  it('says what does not agree', async () => {
    expect(await faults(edit('log.jsonl', /"loss":[\d.]+/, '"loss":0.5'))).toEqual([
      expect.stringMatching(/^manifest.json: log.jsonl has the hash \w{12}, recorded is \w{12}$/),
    ]);
    expect(await faults(edit('config.json', '"lr": 0.002', '"lr": 0.003'))).toEqual([
      expect.stringMatching(/^checkpoints, step 4: the checkpoint: the run has other settings: lr was 0.002/),
      expect.stringMatching(/^checkpoints, step 6: /),
      expect.stringMatching(/^manifest.json: config.json has the hash/),
      expect.stringMatching(/^model.safetensors: the model: the run has other settings: lr was 0.002/),
    ]);
    expect(await faults(edit('log.jsonl', /"hash":"\w{8}(\w*")(?=\}\n$)/, '"hash":"00000000$1'))).toEqual([
      'checkpoints, step 6: its state has another hash than the log says',
      expect.stringMatching(/^manifest.json: log.jsonl has the hash/),
    ]);
    expect(await faults(edit('manifest.json', /"threshold": [\d.]+/, '"threshold": 0.123'))).toEqual([
      expect.stringMatching(/^model.safetensors: its threshold is .*, the manifest's 0.123$/),
    ]);
    expect(await faults((files) => files.delete('manifest.json'))).toEqual([]);
    expect(await faults((files) => files.delete('log.jsonl'))).toEqual([
      expect.stringMatching(/^log.jsonl: .*no such file/),
      expect.stringMatching(/^manifest.json: .*no such file/),
    ]);
    expect(await faults(edit('log.jsonl', '"step":3', '"step":4'))).toEqual([
      'log.jsonl: log.jsonl: line 3 is step 4; step 3 is next',
      expect.stringMatching(/^manifest.json: /),
    ]);
    expect(await faults((files) => files.set(LAST, whole.files.get(LAST)!.subarray(0, 900)))).toEqual([
      expect.stringMatching(/^checkpoints, step 6: run\/checkpoints\/step-000000006.safetensors: /),
    ]);
  });

  it('looks at the stage-1 net, whether it was recorded or put there later', async () => {
    const stageOne = whole.files.get('model.safetensors')!;
    const run = new MemoryFiles('run');
    const data = await tinyData({ variant: 'multi-input', steps: 1 });
    await trainInFolder(context.gpu, data, run, { resume: false, version: '1.2.3', stageOne });
    const manifest = new TextDecoder().decode(run.files.get('manifest.json'));
    expect(JSON.parse(manifest).files).toHaveProperty(['stage-1/model.safetensors']);
    const wrong = async (change: (files: Map<string, Uint8Array>) => void): Promise<string[]> => {
      const copy = new MemoryFiles('run');
      for (const [name, bytes] of run.files) copy.files.set(name, bytes.slice());
      change(copy.files);
      const { checks } = await verifyRun(copy);
      expect(checks.at(-1)!.file).toBe('stage-1/model.safetensors');
      return checks.filter(({ passed }) => !passed).map(({ file, text }) => `${file}: ${text}`);
    };
    expect(await wrong(() => {})).toEqual([]);
    expect(
      await wrong((files) => {
        const later = manifest.replace(/,?\s*"stage-1\/model.safetensors": "\w+"/, '');
        files.set('manifest.json', new TextEncoder().encode(later));
      }),
    ).toEqual([]);
    expect(
      await wrong((files) => files.set('stage-1/model.safetensors', run.files.get('model.safetensors')!)),
    ).toEqual([
      expect.stringMatching(/^manifest.json: stage-1\/model.safetensors has the hash/),
      'stage-1/model.safetensors: stage-1/model.safetensors: a multi-input net needs tissue maps itself',
    ]);
    // A run that starts anew, without one, has none.
    await trainInFolder(context.gpu, data, run, { resume: false, version: '1.2.3' });
    expect(run.files.has('stage-1/model.safetensors')).toBe(false);
    await trainInFolder(context.gpu, await tinyData({ steps: 1 }), run, { resume: false, version: '1.2.3' });
    run.files.set('stage-1/model.safetensors', stageOne);
    expect((await verifyRun(run)).checks.at(-1)).toMatchObject({
      passed: false,
      text: expect.stringMatching(/a single net reads no maps to be corrected/),
    });
  });

  it('knows an empty folder', async () => {
    expect((await verifyRun(new MemoryFiles())).status).toBe('empty');
  });
});
