// An op with a WGSL kernel of one's own: Swish, x * sigmoid(x) (Ramachandran et al. 2017), with its gradient.
import {
  compilePlan,
  expectInputs,
  flatParts,
  type Kernel,
  type Op,
  openGpu,
  read,
  readWrite,
  Tape,
  TensorStore,
  write,
} from 'voxelgrad';

// Lines marked `@spec` get their value from the dispatch; `real` is f32 or vec4f. A lane works on 8 values.
const source = `
  alias real = f32; // @spec
  const ACCUMULATE = 0u; // @spec
  struct Params { items: u32, groups_x: u32 }
  @group(0) @binding(0) var<storage, read_write> input: array<real>;

  @group(0) @binding(1) var<storage, read_write> output: array<real>;
  @group(0) @binding(2) var<uniform> params: Params;
  @compute @workgroup_size(64)
  fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    for (var k = 0u; k < 8; k++) {
      let i = ((group.y * params.groups_x + group.x) * 8 + k) * 64 + lane;
      if (i < params.items) { output[i] = input[i] / (1.0 + exp(-input[i])); }
    }
  }

  @group(0) @binding(1) var<storage, read_write> grad_output: array<real>;
  @group(0) @binding(2) var<storage, read_write> grad_input: array<real>;
  @group(0) @binding(3) var<uniform> backward_params: Params;
  @compute @workgroup_size(64)
  fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    for (var k = 0u; k < 8; k++) {
      let i = ((group.y * backward_params.groups_x + group.x) * 8 + k) * 64 + lane;
      if (i >= backward_params.items) { return; }
      let s = 1.0 / (1.0 + exp(-input[i]));
      let grad = grad_output[i] * s * (1.0 + input[i] * (1.0 - s));
      grad_input[i] = select(grad, grad_input[i] + grad, ACCUMULATE == 1);
    }
  }`;
const kernel: Omit<Kernel, 'entry'> = { file: 'swish.wgsl', source };

export const swish: Op<object, undefined> = {
  name: 'swish',
  shape: (inputs) => expectInputs('swish', inputs, 1)[0]!,
  forward(emit, [input], output): undefined {
    for (const { spec, items, groups, part } of flatParts(output.shape, emit.capabilities))
      emit.run({
        label: 'swish/forward',
        kernel: { ...kernel, entry: 'forward', spec },
        bindings: [part(read(input!)), part(write(output))],
        params: { items, groups_x: groups[0] },
        workgroups: groups,
      });
  },
  // One function per input. `accumulate`: another op has read the same input, and its gradient is there already.
  backward: ({ inputs: [input] }, gradOutput) => [
    (emit, gradInput, accumulate) => {
      const target = accumulate ? readWrite(gradInput) : write(gradInput);
      for (const { spec, items, groups, part } of flatParts(gradInput.shape, emit.capabilities))
        emit.run({
          label: 'swish/backward',
          kernel: { ...kernel, entry: 'backward', spec: { ...spec, ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [part(read(input!)), part(read(gradOutput)), part(target)],
          params: { items, groups_x: groups[0] },
          workgroups: groups,
        });
    },
  ],
};

const gpu = await openGpu();
const tensors = [
  { name: 'x', shape: [3] },
  { name: 'ones', shape: [3] },
];
const store = await TensorStore.create(gpu, 'example', tensors, { requiresGrad: true });
store.write('x', Float32Array.of(-1, 0, 2));
store.write('ones', Float32Array.of(1, 1, 1));
const [x, ones] = [store.get('x'), store.get('ones')];
const tape = new Tape(gpu.capabilities);
const y = tape.apply(swish, [x], {});
tape.backward([{ output: y, grad: ones }]);
const grad = tape.gradient(x)!;
const plan = await compilePlan(gpu, tape.commands, { label: 'swish', keep: [y, grad] });
plan.run();
const round = (values: Float32Array): string => [...values].map((value) => value.toFixed(3)).join(' ');
console.log('swish', round(await plan.read(y)));
console.log('slope', round(await plan.read(grad)));
await gpu.close();
