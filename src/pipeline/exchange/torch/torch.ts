import { canonicalJson } from '../../../core/json.ts';
import { traceNetwork } from '../../../engine/nn/graph.ts';
import { architectureOf, declarationOf } from '../../../engine/nn/networks/index.ts';
import type { ParameterSpec } from '../../../engine/nn/scope.ts';
import { factsJson, modelFacts } from '../../models/facts.ts';
import { encodeModel } from '../../models/model.ts';
import type { ExportFormat, ExportRequest } from '../export-format.ts';
import { expressionOf } from './torch-ops.ts';

/** A Python file that needs PyTorch alone, and the weights beside it. */
export const torch: ExportFormat = {
  name: 'torch',
  title: 'PyTorch: a Python file with the network as an nn.Module, and its weights',
  async write(request, out) {
    const [code, weights] = [`${request.name}.py`, `${request.name}.safetensors`];
    await out.write(code, new TextEncoder().encode(toTorch(request)));
    await out.write(weights, encodeModel(request.model));
    return {
      files: [code, weights],
      notes: ['dropout is left out, and so are outputs that only training has'],
    };
  },
};

/** The Python file. @throws UsageError naming an op that cannot be expressed. */
export function toTorch({ model: { info }, name, version }: ExportRequest): string {
  const facts = modelFacts(info);
  const graph = traceNetwork(architectureOf(info.network));
  const { parameters, state } = declarationOf(info.network);
  const tensors = new Map(
    [...parameters, ...state].map((spec): [string, string] => [spec.name, `t['${spec.name}']`]),
  );
  const nameOf = ({ name: value }: { readonly name: string }): string => tensors.get(value) ?? value;
  const lines = graph.nodes.map((node) => `        ${node.output.name} = ${expressionOf(node, nameOf)}`);
  const outputs = facts.heads.map((head) => `'${head.name}': ${graph.outputs.get(head.name)!.name}`);
  const entries = (specs: readonly ParameterSpec[]): string =>
    specs.map((spec) => `    '${spec.name}': (${spec.shape.join(', ')},),\n`).join('');
  const json = canonicalJson(factsJson(facts), 1).replaceAll('\\', '\\\\').replaceAll("'''", "\\'\\'\\'");
  return `"""${facts.task}: a ${facts.network} network, written by voxelgrad ${version}. Needs PyTorch 1.12 or later, and nothing else.

    from ${name.replaceAll('-', '_')} import load
    network = load('${name}.safetensors')
    probabilities = network.predict(torch.zeros(1, ${facts.channels.length}, 32, 32, 32))  # by output

FACTS tells what goes in (channels, normalisation, spacing), what comes out (heads) and how it is decided.
The extents of a volume are multiples of FACTS['multiple']. The weights can be trained on: they have the names
that voxelgrad's model.safetensors has.
"""

import json
import struct
import sys

import torch
import torch.nn.functional as F
from torch import nn

FACTS = json.loads('''${json}''')

PARAMETERS = {
${entries(parameters)}}

BUFFERS = {
${entries(state)}}


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        for name, shape in PARAMETERS.items():
            module, last = self._module(name)
            module.register_parameter(last, nn.Parameter(torch.zeros(shape)))
        for name, shape in BUFFERS.items():
            module, last = self._module(name)
            module.register_buffer(last, torch.zeros(shape))

    def _module(self, name):
        """The module that a tensor belongs to, made if it is not there yet."""
        *path, last = name.split('.')
        module = self
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]
        return module, last

    def forward(self, input):
        """Outputs by name, before softmax or sigmoid, of [batch, channels, depth, height, width]."""
        t = dict(self.named_parameters())
        t.update(self.named_buffers())
${lines.join('\n')}
        return {${outputs.join(', ')}}

    @torch.no_grad()
    def predict(self, input):
        """Probabilities or values by name."""
        self.eval()
        outputs = self(input)
        activations = {'softmax': lambda x: torch.softmax(x, 1), 'sigmoid': torch.sigmoid, 'none': lambda x: x}
        return {head['name']: activations[head['activation']](outputs[head['name']]) for head in FACTS['heads']}


def read_safetensors(path):
    """Tensors by name (https://huggingface.co/docs/safetensors)."""
    with open(path, 'rb') as file:
        (length,) = struct.unpack('<Q', file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    tensors = {}
    for name, entry in header.items():
        if name == '__metadata__':
            continue
        begin, end = entry['data_offsets']
        if entry['dtype'] != 'F32':
            raise ValueError(f"{path}: {name} is {entry['dtype']}; weights are F32")
        tensors[name] = torch.frombuffer(data[begin:end], dtype=torch.float32).reshape(entry['shape'])
    return tensors


def load(path):
    """The network with the weights of a file."""
    network = Network()
    network.load_state_dict(read_safetensors(path))
    return network.eval()


if __name__ == '__main__':
    if len(sys.argv) != 4:
        sys.exit('usage: python ${name}.py WEIGHTS.safetensors INPUT.npy OUTPUT.npz')
    import numpy

    volume = torch.from_numpy(numpy.load(sys.argv[2]).astype('float32'))
    numpy.savez(sys.argv[3], **{name: value.numpy() for name, value in load(sys.argv[1]).predict(volume).items()})
`;
}
