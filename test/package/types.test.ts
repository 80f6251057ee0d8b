import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli } from '../support/cli.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { dependencies, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  dependencies: Readonly<Record<string, string>>;
  exports: Readonly<Record<string, object>>;
};
const ENTRIES = Object.keys(exports).map((name) => name.replace(/^\./, 'voxelgrad'));

/** What is typed as nothing would let everything pass. */
const PROGRAM = `
${ENTRIES.map((name, i) => `import * as entry${i} from '${name}';`).join('\n')}
import { type Gpu, nn, type Shape, ShapeError, type Tensor } from 'voxelgrad';
import { relu } from 'voxelgrad/engine';

export const entries: readonly object[] = [${ENTRIES.map((_, i) => `entry${i}`).join(', ')}];
export const rule: Shape = relu.shape([[1, 2]], { slope: 0 });
export function bytes(gpu: Gpu): number {
  return gpu.allocatedBytes;
}
export function shapeOf(tensor: Tensor): Shape {
  return tensor.shape;
}
export const layers: nn.Conv3d = nn.conv3d(8, { kernel: 3 });
export const error: Error = new ShapeError('op', 'rule', 'shapes');
// @ts-expect-error a slope is a number
relu.shape([[1, 2]], { slope: 'steep' });
`;

let folder = '';

/** A project that has the packed package installed, and what that depends on. */
beforeAll(() => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'voxelgrad-consumer-'));
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: ROOT });
  const [packed] = readdirSync(folder);
  const installed = join(folder, 'node_modules/voxelgrad');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, packed!), '--strip-components=1', '-C', installed]);
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
  writeFileSync(join(folder, 'program.mts'), PROGRAM);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What the compiler says about the project. */
function compile(options: Readonly<Record<string, unknown>>): string {
  const compilerOptions = { strict: true, noEmit: true, skipLibCheck: false, types: [], ...options };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.mts'] }));
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  return spawnSync(tsc, ['-p', folder], { encoding: 'utf8' }).stdout;
}

describe('a TypeScript project that installs nothing but the package', () => {
  it.each<[string, Readonly<Record<string, unknown>>]>([
    ['without the DOM', { target: 'es2023', module: 'nodenext', lib: ['ES2023'] }],
    ['with the DOM', { target: 'es2023', module: 'nodenext', lib: ['ES2023', 'DOM'] }],
    [
      'with the DOM and a bundler, as strict as it gets',
      {
        target: 'es2023',
        module: 'esnext',
        moduleResolution: 'bundler',
        lib: ['ES2023', 'DOM', 'DOM.Iterable'],
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
      },
    ],
  ])('compiles %s, declarations checked', (_, options) => {
    expect(compile(options)).toBe('');
  });

  it('has the types of the entries', () => {
    writeFileSync(join(folder, 'program.mts'), PROGRAM.replace(/^.*@ts-expect-error.*$/m, ''));
    try {
      expect(compile({ target: 'es2023', module: 'nodenext', lib: ['ES2023'] })).toMatch(
        /error TS2322: Type 'string' is not assignable to type 'number'/,
      );
    } finally {
      writeFileSync(join(folder, 'program.mts'), PROGRAM);
    }
  });
});
