import { afterEach, describe, expect, it } from 'vitest';
import { shaders } from '../../../src/engine/gpu/shaders.generated.ts';
import { ShaderSourceError, type Spec, specialise } from '../../../src/engine/gpu/specialise.ts';

const files = shaders as Record<string, string>;
const made: string[] = [];

function shader(text: string, name = 'made-up.wgsl'): string {
  files[name] = text;
  made.push(name);
  return name;
}

function specialised(text: string, spec?: Spec): string {
  return specialise(shader(text), spec);
}

/** Text without blank lines and indentation, so that expectations stay readable. */
const lines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

afterEach(() => {
  for (const name of made.splice(0)) delete files[name];
});

describe('includes', () => {
  it('puts a file in place of its line, once, however deep', () => {
    shader('const A = 1u;\n', 'common/a.wgsl');
    shader('//!include common/a.wgsl\nconst B = 2u;\n', 'common/b.wgsl');
    const text = specialised('//!include common/b.wgsl\n//!include common/a.wgsl\nfn f() {}\n');
    expect(lines(text)).toEqual(['const A = 1u;', 'const B = 2u;', 'fn f() {}']);
  });

  it('ends with a file that includes itself', () => {
    shader('//!include common/a.wgsl\nconst A = 1u;\n', 'common/a.wgsl');
    expect(lines(specialised('//!include common/a.wgsl\n'))).toEqual(['const A = 1u;']);
  });

  it('refuses unknown files by name', () => {
    expect(() => specialise('no-such.wgsl')).toThrow(ShaderSourceError);
    expect(() => specialised('//!include common/none.wgsl\n')).toThrow(
      'shaders/common/none.wgsl: no such shader',
    );
  });
});

describe('// @spec lines', () => {
  const text = 'const TILE = 4u; // @spec\nconst SCALE: f32 = 1.5; // @spec\nalias real = f32; // @spec\n';

  it('get another right-hand side and keep the type and the unsigned suffix', () => {
    expect(lines(specialised(text, { TILE: 8, SCALE: 2.5, real: 'f16' }))).toEqual([
      'enable f16;',
      'const TILE = 8u;',
      'const SCALE: f32 = 2.5;',
      'alias real = f16;',
    ]);
  });

  it('stay as stored where nothing is asked', () => {
    expect(specialised(text)).toBe(text);
    expect(specialised(text, { TILE: 8 })).toContain('alias real = f32; // @spec');
  });

  it('are the only thing that a spec may name', () => {
    expect(() => specialised('const TILE = 4u;\n', { TILE: 8, other: 1 })).toThrow(
      'shaders/made-up.wgsl: no "// @spec" line declares TILE, other',
    );
  });
});

describe('// @unroll loops', () => {
  it('are written out with the index as a literal', () => {
    const text = specialised('for (var i = 0u; i < 3u; i++) { // @unroll\n  sum[i] += x[i * 2u + ii];\n}\n');
    expect(lines(text)).toEqual([
      ...['{', 'sum[0u] += x[0u * 2u + ii];', '}'],
      ...['{', 'sum[1u] += x[1u * 2u + ii];', '}'],
      ...['{', 'sum[2u] += x[2u * 2u + ii];', '}'],
    ]);
  });

  it('nest, also where the inner bound is the outer index', () => {
    const text = specialised(
      'for (var i = 1u; i < 3u; i++) { // @unroll\nfor (var j = 0u; j < i; j++) { // @unroll\nf(i, j);\n}\n}\n',
    );
    expect(lines(text).filter((line) => line.startsWith('f('))).toEqual([
      'f(1u, 0u);',
      'f(2u, 0u);',
      'f(2u, 1u);',
    ]);
  });

  it('take bounds that are expressions over constants, specialised ones too', () => {
    const text =
      'const TILE = 2u; // @spec\nconst ROWS = (TILE + 2u) * 3u - 7u % 4u;\n' +
      'fn f() {\nfor (var i = 0u; i < ROWS / 2u; i++) { // @unroll\nuse(i);\n}\n}\n';
    const count = (spec?: Spec): number => specialised(text, spec).split('use(').length - 1;
    expect(count()).toBe(Math.floor((4 * 3 - 3) / 2));
    expect(count({ TILE: 4 })).toBe(Math.floor((6 * 3 - 3) / 2));
  });

  it('vanish where the bound is the start', () => {
    expect(
      lines(specialised('fn f() {\nfor (var i = 2u; i < 2u; i++) { // @unroll\nuse(i);\n}\n}\n')),
    ).toEqual(['fn f() {', '}']);
  });

  it('leave loops without the mark alone', () => {
    const text = 'for (var i = 0u; i < 3u; i++) {\n  use(i);\n}\n';
    expect(specialised(text)).toBe(text);
  });

  it('refuse bounds that are no constant, and loops that never close', () => {
    expect(() => specialised('for (var i = 0u; i < params.n; i++) { // @unroll\n}\n')).toThrow(
      /made-up\.wgsl: @unroll needs constant bounds: for \(var i = 0u; i < params\.n/,
    );
    expect(() => specialised('for (var i = 0u; i < 2u; i++) { // @unroll\nuse(i);\n')).toThrow(
      /is not closed/,
    );
  });
});
