import { describe, expect, it } from 'vitest';
import { derivativeDescription, describedModel } from '../../../src/imaging/dataset/derivative.ts';
import {
  findPredicted,
  predictionPath,
  predictionPaths,
} from '../../../src/imaging/dataset/prediction-path.ts';
import { type SidecarFacts, seenIn, sidecar, sidecarPath } from '../../../src/imaging/dataset/sidecar.ts';
import { evaluationNotes, type ScanEvaluation } from '../../../src/imaging/evaluate/evaluate-predictions.ts';
import { changedVoxels, implausibleVolume } from '../../../src/imaging/evaluate/plausibility.ts';
import { names } from './make.ts';

const MASK = { label: 'lesion', suffix: 'mask' } as const;
const SCAN = { subject: '07', session: '2', entities: 'acq-3D_run-2' };

describe('names of predictions', () => {
  it('have the source’s entities, space-orig and label-L', async () => {
    const path = 'sub-07/ses-2/anat/sub-07_ses-2_acq-3D_run-2_space-orig_label-L_mask.nii.gz';
    expect(predictionPath(SCAN, MASK)).toBe(path);
    expect(sidecarPath(path)).toBe(path.replace('.nii.gz', '.json'));
    const old = 'sub-07/ses-2/anat/sub-07_ses-2_label-lesion_mask.nii.gz';
    expect(predictionPaths(SCAN, MASK)).toEqual([path, old]);
    expect(await findPredicted(names(old), SCAN, MASK)).toBe(old);
    expect(await findPredicted(names(old, path), SCAN, MASK)).toBe(path);
  });
});

describe('a sidecar', () => {
  const facts: SidecarFacts = {
    version: '1.2.3',
    inputs: [{ role: 'FLAIR', path: 'sub-07/anat/sub-07_FLAIR.nii.gz', sha256: 'ab' }],
    brain: 'skull-stripped',
    choices: { trustBrain: true },
    model: { file: 'model.safetensors', sha256: 'cd', trainedOn: ['07'], seen: 'images' },
    threshold: 0.4,
    warnings: ['it is odd'],
  };
  it('says where a mask comes from', () => {
    const bytes = sidecar(MASK, facts);
    expect(JSON.parse(new TextDecoder().decode(bytes))).toMatchObject({
      Type: 'Lesion',
      Manual: false,
      Sources: ['bids:raw:sub-07/anat/sub-07_FLAIR.nii.gz'],
      SpatialReference: 'bids:raw:sub-07/anat/sub-07_FLAIR.nii.gz',
      Threshold: 0.4,
      Choices: { trustBrain: true },
      Model: { SHA256: 'cd', TrainedOn: ['07'], TrainedOnThisScan: 'images' },
      BrainMask: 'what is not 0 in the images',
      Warnings: ['it is odd'],
    });
    expect(seenIn(bytes)).toBe('images');
  });
  it('of another program says nothing about training', () => {
    expect(seenIn(new TextEncoder().encode('{"Type": "Lesion"}'))).toBeNull();
    expect(seenIn(new TextEncoder().encode('no json'))).toBeNull();
  });
});

it('the description of a folder names the data set and the model', () => {
  const model = 'a'.repeat(64);
  const text = new TextDecoder().decode(
    derivativeDescription('voxelgrad predictions', '1.2.3', { raw: '../raw', model }),
  );
  expect(JSON.parse(text)).toMatchObject({
    BIDSVersion: '1.11.0',
    DatasetLinks: { raw: '../raw' },
    GeneratedBy: [{ Name: 'voxelgrad', Version: '1.2.3' }],
  });
  expect(describedModel(text)).toBe(model);
});

it('volumes beyond 150 ml or a tenth of the brain are implausible', () => {
  expect(implausibleVolume('lesion', 52, 1200)).toBeNull();
  expect(implausibleVolume('lesion', 151, 1800)).toContain('151.0 ml were found, 8 % of the brain');
  expect(implausibleVolume('lesion', 60, 500)).toContain('12 % of the brain');
});

it('a change is what was added and what was removed', () => {
  const [before, after] = [Uint8Array.of(0, 1, 1, 0), Uint8Array.of(1, 1, 0, 0)];
  expect(changedVoxels(before, after)).toEqual({ added: 1, removed: 1 });
});

it('an evaluation says whom the model was trained on, and which masks are empty', () => {
  const scan = (subject: string, more: Partial<ScanEvaluation>): ScanEvaluation =>
    ({ subject, session: null, trainedOn: 'no', truthMl: 1, ...more }) as ScanEvaluation;
  const notes = evaluationNotes([
    scan('01', { trainedOn: 'images' }),
    scan('02', { trainedOn: 'name' }),
    scan('03', { trainedOn: null }),
    scan('04', { truthMl: 0 }),
  ]);
  expect(notes.map((note) => /sub-\d\d/.exec(note)![0])).toEqual(['sub-01', 'sub-02', 'sub-03', 'sub-04']);
  expect(evaluationNotes([scan('05', {})])).toEqual([]);
});
