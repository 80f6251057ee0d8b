import { type Kernel, kernelIdentity } from '../gpu/kernel.ts';
import { shaderName, shaderText } from '../gpu/specialise.ts';
import type { Command } from './command.ts';
import { TapeError } from './tape.ts';

/** Fields of the structs that a shader binds as uniforms, by binding number. */
const known: Map<string, ReadonlyMap<number, readonly (readonly string[])[]>> = new Map();

/**
 * Compares the names of a command's params with the struct of the shader, whose order they have to have.
 * @throws TapeError with both lists; for nothing that is bound otherwise than as a struct of the shader's own text
 */
export function checkParams({ label, kernel, bindings, params }: Command): void {
  if (!params) return;
  const key = kernelIdentity(kernel);
  const structs = known.get(key) ?? uniformStructs(kernel);
  known.set(key, structs);
  const given = Object.keys(params).join(', ');
  const declared = structs.get(bindings.length)?.map((fields) => fields.join(', ')) ?? [];
  if (declared.length > 0 && !declared.includes(given))
    throw new TapeError(
      `${label}: the params are ${given || 'none'}; ${shaderName(kernel.file, kernel.source)} declares ` +
        `${declared.join(' or ')} at binding ${bindings.length}: the same names in the same order are needed`,
    );
}

function uniformStructs({ file, source }: Kernel): Map<number, string[][]> {
  const text = shaderText(file, source).replace(/\/\/.*$/gm, '');
  const fields = new Map(
    [...text.matchAll(/\bstruct\s+(\w+)\s*\{([^}]*)\}/g)].map(([, name, body]) => [
      name!,
      [...body!.matchAll(/(\w+)\s*:/g)].map((match) => match[1]!),
    ]),
  );
  const structs = new Map<number, string[][]>();
  for (const [, number, type] of text.matchAll(/@binding\((\d+)\)\s*var<uniform>\s*\w+\s*:\s*(\w+)\s*;/g)) {
    const own = fields.get(type!);
    if (own) structs.set(Number(number), [...(structs.get(Number(number)) ?? []), own]);
  }
  return structs;
}
