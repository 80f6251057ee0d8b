// An augmentation of one's own, with its WGSL: dark stripes as of motion. Settings, options and messages know it by name.
import { MemoryFiles, openGpu, prepareTraining, train, trainSettings } from 'voxelgrad';
import { openDataset } from 'voxelgrad/imaging';
import { defineIntensity, numberSetting, probability, registerAugmentation } from 'voxelgrad/pipeline';
import { writePhantomDataset } from 'voxelgrad/study';
import { z } from 'zod/mini';

// The first four fields are the patch's; a voxel that is exactly 0 lies outside the brain and must stay 0.
const source = `
  struct Params { depth: u32, height: u32, width: u32, first: u32, period: f32, strength: f32 }
  @group(0) @binding(0) var<storage, read_write> values: array<f32>;
  @group(0) @binding(1) var<uniform> params: Params;

  @compute @workgroup_size(64)
  fn stripes(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let end = min(params.depth * params.height * params.width, group.x * 1024u + 1024u);
    for (var i = group.x * 1024u + lane; i < end; i += 64u) {
      let y = f32((i / params.width) % params.height);
      let wave = sin(6.2831853 * y / params.period);
      values[params.first + i] *= 1.0 - params.strength * max(0.0, wave);
    }
  }
`;

const stripes = defineIntensity({
  name: 'stripes',
  title: 'Stripes as of motion',
  kind: 'intensity',
  // Each setting has its bounds, its default and what it does: help texts and checks follow.
  schema: z.strictObject({
    stripesProbability: probability(0.2, 'stripes'),
    stripesStrength: numberSetting(0, 1, 0.5, 'largest share by which stripes darken'),
  }),
  // Once per patch: for each image parameters, or undefined.
  draw(random, { stripesProbability, stripesStrength }, { images }) {
    if (random.uniform() >= stripesProbability) return [];
    const period = random.uniform(2, 8);
    return Array.from({ length: images }, () => ({ period, strength: random.uniform(0, stripesStrength) }));
  },
  kernels: [{ kernel: { file: 'stripes', source, entry: 'stripes' }, bindings: ['values'] }],
  passes: ({ period, strength }) => [{ params: { period: { f32: period }, strength: { f32: strength } } }],
});
registerAugmentation(stripes);

const files = new MemoryFiles();
await writePhantomDataset(files, { seed: 7, subjects: 1, shape: [24, 28, 24], spacing: 8 });
const settings = trainSettings({
  ...{ preset: 'single', patch: 8, levels: 2, baseChannels: 2, steps: 3 },
  ...{ augment: ['mirror', 'stripes'], stripesProbability: 0.5 },
});
console.log(`with ${settings.augment.join(', ')}`);

const gpu = await openGpu();
const data = await prepareTraining(await openDataset(files), settings);
await train(gpu, {
  ...data,
  onStep: ({ step, loss }) => console.log(`step ${step}, loss ${loss.toFixed(3)}`),
});
await gpu.close();
