import { describe, expect, it } from 'vitest';
import { layeringBreaches } from './layering.ts';
import { filesBelow, readAll } from './sources.ts';

describe('house order', () => {
  it('holds for every import of src', () => {
    const sources = readAll(filesBelow('src', '.ts'));
    expect(sources.size).toBeGreaterThan(40);
    expect(layeringBreaches(sources)).toEqual([]);
  });
});

describe('the check', () => {
  const core = ['src/core/shape.ts', 'export {};'] as const;
  const breaches = (...files: (readonly [string, string])[]): string[] =>
    layeringBreaches(new Map([core, ...files]));

  it('passes what follows the order, types, re-exports and dynamic imports included', () => {
    expect(
      breaches(
        ['src/engine/gpu/gpu.ts', "import type { Shape } from '../../core/shape.ts';"],
        [
          'src/engine/tape/tape.ts',
          "export { Gpu } from '../gpu/gpu.ts';\nconst m = await import('../../core/shape.ts');",
        ],
        ['src/engine/ops/relu.ts', "import '../tape/tape.ts';\nimport { zipSync } from 'fflate';"],
        [
          'src/platform/node.ts',
          "import { create } from 'webgpu';\nimport { join } from 'node:path';\nprocess.exit();",
        ],
        ['src/cli/main.ts', "import { defineCommand } from 'citty';\nimport '../platform/node.ts';"],
      ),
    ).toEqual([]);
  });

  it('finds arrows against the order', () => {
    expect(breaches(['src/core/a.ts', "import '../engine/gpu/b.ts';"], ['src/engine/gpu/b.ts', ''])).toEqual([
      'src/core/a.ts: imports src/engine/gpu/b.ts; engine/gpu is not below core',
    ]);
    for (const [from, to] of [
      ['imaging/volume', 'imaging/nifti'],
      ['engine/gpu', 'imaging/volume'],
      ['imaging/dataset', 'engine/tape'],
      ['engine/ops', 'engine/loss'],
      ['engine/loss', 'engine/ops'],
      ['engine/optim', 'engine/checkpoint'],
      ['imaging/report', 'pipeline/train'],
      ['pipeline/predict', 'pipeline/train'],
      ['pipeline/train', 'study'],
      ['study', 'platform'],
      ['platform', 'cli'],
      ['web', 'cli'],
      ['cli', 'web'],
    ] as const)
      expect(
        breaches([`src/${from}/a.ts`, `import type { B } from '/src/${to}/b.ts';`], [`src/${to}/b.ts`, '']),
      ).toEqual([`src/${from}/a.ts: imports src/${to}/b.ts; ${to} is not below ${from}`]);
    expect(breaches(['src/new-room/a.ts', "import '../core/shape.ts';"])).toEqual([
      'src/new-room/a.ts: new-room is no room of the house order',
    ]);
  });

  it("finds Node's modules, packages and globals outside their rooms", () => {
    expect(
      breaches(
        ['src/imaging/report/a.ts', "import { readFileSync } from 'node:fs';"],
        ['src/engine/gpu/b.ts', "const { create } = await import('webgpu');"],
        ['src/pipeline/train/c.ts', "import { defineCommand } from 'citty';"],
        ['src/imaging/nifti/d.ts', "const b = Buffer.from('x');"],
        ['src/cli/e.ts', 'process.exitCode = 1;'],
      ),
    ).toEqual([
      'src/imaging/report/a.ts: imports node:fs; only src/platform may',
      'src/engine/gpu/b.ts: imports webgpu; only src/platform may',
      'src/pipeline/train/c.ts: imports citty; only src/cli may',
      "src/imaging/nifti/d.ts: uses Buffer. of Node's; only src/platform may",
      "src/cli/e.ts: uses process. of Node's; only src/platform may",
    ]);
  });

  it('finds circles, files that are not there, and paths out of src', () => {
    expect(
      breaches(['src/engine/gpu/a.ts', "import './b.ts';"], ['src/engine/gpu/b.ts', "import './a.ts';"]),
    ).toEqual(['src/engine/gpu/a.ts -> src/engine/gpu/b.ts -> src/engine/gpu/a.ts: imports in a circle']);
    expect(
      breaches(
        ['src/engine/gpu/a.ts', "import { b } from './b.ts';"],
        ['src/engine/gpu/b.ts', "import type { A } from './a.ts';"],
      ),
      'a circle of types vanishes',
    ).toEqual([]);
    expect(breaches(['src/engine/gpu/a.ts', "import './none.ts';\nimport '../../../test/data.ts';"])).toEqual(
      [
        'src/engine/gpu/a.ts: imports ./none.ts, which is no file',
        'src/engine/gpu/a.ts: imports ../../../test/data.ts, outside src',
      ],
    );
  });

  it("finds a browser-safe entry that reaches Node's by way of platform", () => {
    const files = [
      ['src/index.ts', "export * from './platform/browser.ts';"],
      ['src/platform/browser.ts', "import './node.ts';"],
      ['src/platform/node.ts', "import 'node:fs';"],
    ] as const;
    expect(breaches(...files)).toEqual([
      "src/index.ts -> src/platform/browser.ts -> src/platform/node.ts -> node:fs: a browser-safe entry reaches Node's",
    ]);
    expect(breaches(['src/node.ts', "export * from './platform/node.ts';"], ...files.slice(2))).toEqual([]);
  });

  it('reads declarations over several lines, and export lists', () => {
    expect(
      breaches(
        [
          'src/core/a.ts',
          "import {\n  type B,\n  c,\n} from '../engine/gpu/b.ts';\nexport type { D } from '../engine/tape/d.ts';\n",
        ],
        ['src/engine/gpu/b.ts', ''],
        ['src/engine/tape/d.ts', ''],
      ),
    ).toHaveLength(2);
  });

  it('is not misled by comments and strings', () => {
    expect(
      breaches([
        'src/core/a.ts',
        "// import '../gpu/gpu.ts'\n/* from 'node:fs' */\nconst hint = 'set process.env.X // or not';\n",
      ]),
    ).toEqual([]);
  });
});
