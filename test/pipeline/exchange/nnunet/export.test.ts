import { expect, it } from 'vitest';
import { UsageError } from '../../../../src/core/errors.ts';
import { MemoryFiles } from '../../../../src/core/files.ts';
import { findFormat } from '../../../../src/pipeline/exchange/index.ts';
import { importNnUNet } from '../../../../src/pipeline/exchange/nnunet/import.ts';
import { TINY_DATASET, tinyFolder, tinyPlans } from '../../../support/nnunet-folder.ts';

const format = findFormat('nnunet');

it.each([
  ['one fold', [0]],
  ['an ensemble', [0, 1]],
] as const)('an import that is exported has the same tensors, steps and labels: %s', async (_, folds) => {
  const labels = { background: 0, a: 3, b: 7 };
  const plans = tinyPlans({ transpose_forward: [2, 0, 1] });
  const { model } = await importNnUNet(tinyFolder(plans, { ...TINY_DATASET, labels }, folds));
  const out = new MemoryFiles('out');
  const { files, notes } = await format.write({ model, name: 'tiny', version: '0' }, out);
  expect(files).toEqual([...out.files.keys()]);
  expect(notes).toEqual([]);
  const { model: again } = await importNnUNet(out);
  expect(again.weights).toEqual(model.weights);
  const { network, steps, patch, decisions, task } = model.info;
  expect(again.info).toMatchObject({ network, steps, patch, decisions, task: { heads: task.heads } });
});

it('what nnU-Net cannot express is refused by name', async () => {
  const regions = {
    ...TINY_DATASET,
    labels: { background: 0, a: [1, 2], b: 2 },
    regions_class_order: [1, 2],
  };
  const { model } = await importNnUNet(tinyFolder(tinyPlans(), regions));
  const write = format.write({ model, name: 'tiny', version: '0' }, new MemoryFiles());
  await expect(write).rejects.toThrow(/this network has labels \(sigmoid\)/);
  const { model: other } = await importNnUNet(tinyFolder());
  const info = { ...other.info, network: { kind: 'meshnet', config: {} } };
  await expect(
    format.write({ model: { ...other, info }, name: 'tiny', version: '0' }, new MemoryFiles()),
  ).rejects.toThrow(UsageError);
});
