import { VoxelgradError } from '../../core/errors.ts';
import { shaders } from './shaders.generated.ts';

/** Values for the `// @spec` lines of a shader, by the name that the line declares. */
export type Spec = Readonly<Record<string, number | string>>;

/** A shader that breaks a rule of the specialiser, or a spec that names no line of it. */
export class ShaderSourceError extends VoxelgradError {
  /** @param shader how the message names it: `shaders/relu.wgsl`, or the name of a kernel with its own source */
  constructor(shader: string, message: string) {
    super('shader-source', `${shader}: ${message}`);
  }
}

/**
 * Turns a shader as it is written into the text that is compiled. The written text is valid WGSL; three mechanisms
 * change it (the fourth, `override` constants, is WGSL's own):
 * - `//!include common/x.wgsl` is replaced by that file, once;
 * - `const TILE = 4u; // @spec` and `alias real = f32; // @spec` get another right-hand side; with one of 16-bit floats
 *   (`f16`, `vec4h`) the text begins with `enable f16;`;
 * - `for (var i = 0u; i < N; i++) { // @unroll` with a constant bound is written out. Drivers differ: one leaves
 *   such loops rolled and indexes registers through memory, 3 times slower on lavapipe, 15 times on SwiftShader.
 *
 * @param file below shaders/, such as `relu.wgsl`
 * @param source text to take instead of that file's; `file` then only names it in messages
 * @throws ShaderSourceError for an unknown file, include or spec name, or a bound that is not constant.
 */
export function specialise(file: string, spec: Spec = {}, source?: string): string {
  const shader = shaderName(file, source);
  const text = shaderText(file, source);
  const half = Object.values(spec).some((value) => value === 'f16' || value === 'vec4h');
  const specialised = (half ? 'enable f16;\n' : '') + replaceSpecLines(shader, text, spec);
  return unrollLoops(shader, specialised, constantsOf(specialised));
}

/** A shader's text with what it includes. @throws ShaderSourceError for an unknown file or include. */
export function shaderText(file: string, source?: string): string {
  return source === undefined ? includeFile(file, new Set()) : resolveIncludes(dedent(source), new Set());
}

/** How messages name a shader: a file of this package by its path, a source of the caller's by the name it was given. */
export function shaderName(file: string, source?: string): string {
  return source === undefined ? `shaders/${file}` : file;
}

/** Text without the indentation that all its lines share: the marks begin a line, also in an indented template string. */
function dedent(text: string): string {
  const indents = [...text.matchAll(/^([ \t]*)\S/gm)].map((match) => match[1]!.length);
  const least = Math.min(...indents);
  return Number.isFinite(least) && least > 0 ? text.replace(new RegExp(`^[ \\t]{${least}}`, 'gm'), '') : text;
}

function includeFile(file: string, seen: Set<string>): string {
  const text = shaders[file];
  if (text === undefined) throw new ShaderSourceError(shaderName(file), 'no such shader');
  seen.add(file);
  return resolveIncludes(text, seen);
}

function resolveIncludes(text: string, seen: Set<string>): string {
  return text.replace(/^\/\/!include (\S+)$/gm, (_, name: string) =>
    seen.has(name) ? '' : includeFile(name, seen),
  );
}

const SPEC_LINE = /^(const|alias) (\w+)([^=\n]*)= *(.*?); *\/\/ @spec$/gm;

function replaceSpecLines(shader: string, text: string, spec: Spec): string {
  const unused = new Set(Object.keys(spec));
  const out = text.replace(SPEC_LINE, (line, keyword: string, name: string, type: string, stored: string) => {
    const value = spec[name];
    unused.delete(name);
    if (value === undefined) return line;
    const suffix = typeof value === 'number' && /^\d+u$/.test(stored.trim()) ? 'u' : '';
    return `${keyword} ${name}${type}= ${value}${suffix};`;
  });
  if (unused.size > 0)
    throw new ShaderSourceError(shader, `no "// @spec" line declares ${[...unused].join(', ')}`);
  return out;
}

/** Integer constants of module scope, in order, so that later ones may use earlier ones. */
function constantsOf(text: string): Map<string, number> {
  const constants = new Map<string, number>();
  for (const match of text.matchAll(/^const (\w+)[^=\n]*= *([^;]+);/gm)) {
    const value = evaluate(match[2]!, constants);
    if (value !== undefined) constants.set(match[1]!, value);
  }
  return constants;
}

const UNROLL = /for \(var (\w+) = (\w+); \1 < ([^;]+); \1\+\+\) \{ *\/\/ @unroll\n/;

function unrollLoops(shader: string, text: string, constants: ReadonlyMap<string, number>): string {
  const match = UNROLL.exec(text);
  if (!match) return text;
  const [head, variable, first, bound] = match as unknown as [string, string, string, string];
  const from = evaluate(first, constants);
  const to = evaluate(bound, constants);
  if (from === undefined || to === undefined)
    throw new ShaderSourceError(shader, `@unroll needs constant bounds: ${head.trim()}`);
  const start = match.index + head.length;
  const end = closingBrace(shader, text, start);
  const body = text.slice(start, end);
  const name = new RegExp(`\\b${variable}\\b`, 'g');
  let unrolled = '';
  for (let i = from; i < to; i++) unrolled += `{\n${body.replace(name, `${i}u`)}}\n`;
  return text.slice(0, match.index) + unrollLoops(shader, unrolled + text.slice(end + 1), constants);
}

function closingBrace(shader: string, text: string, start: number): number {
  let depth = 1;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}') depth--;
    if (depth === 0) return i;
  }
  throw new ShaderSourceError(shader, 'an @unroll loop is not closed');
}

/** Value of an unsigned integer expression over constants, or undefined where it is none. */
function evaluate(expression: string, constants: ReadonlyMap<string, number>): number | undefined {
  const tokens = expression.match(/\d+u?\b|\w+|[-+*/%(),]|\S/g) ?? [];
  let at = 0;
  const primary = (): number => {
    const token = tokens[at++];
    if (token === undefined) return Number.NaN;
    if (token === '(') {
      const value = sum();
      return tokens[at++] === ')' ? value : Number.NaN;
    }
    if (/^\d+u?$/.test(token)) return Number.parseInt(token, 10);
    return constants.get(token) ?? Number.NaN;
  };
  const product = (): number => {
    let value = primary();
    for (;;) {
      const operator = tokens[at];
      if (operator !== '*' && operator !== '/' && operator !== '%') return value;
      at++;
      const right = primary();
      if (operator === '*') value *= right;
      else value = operator === '/' ? Math.floor(value / right) : value % right;
    }
  };
  const sum = (): number => {
    let value = product();
    for (;;) {
      const operator = tokens[at];
      if (operator !== '+' && operator !== '-') return value;
      at++;
      const right = product();
      value = operator === '+' ? value + right : value - right;
    }
  };
  const value = sum();
  return at === tokens.length && Number.isInteger(value) ? value : undefined;
}
