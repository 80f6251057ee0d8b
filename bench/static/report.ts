import type { CompiledKernel, FamilyResult } from './compile.ts';
import { type Count, countTurn, hottestLoop, type Loop, loopAt } from './isa.ts';
import { TURNS } from './turns.ts';

/** What a kernel's loops say about its speed. */
export interface Shares {
  /** Multiply-adds of all instructions of the hottest loop; undefined without multiply-adds. */
  readonly hot: number | undefined;
  /** The same for a turn of the outer loop, staging included; undefined if its trips are not known. */
  readonly turn: number | undefined;
  /** Of the vector unit's instructions of that turn, or of the hottest loop. */
  readonly vector: number | undefined;
  /** Bytes read from workgroup memory per multiply-add of the hottest loop. */
  readonly bytes: number | undefined;
  readonly matrix: number;
}

/** Reads the shares off a kernel's loops. */
export function sharesOf({ key, loops }: Pick<CompiledKernel, 'key' | 'loops'>): Shares {
  const hot = hottestLoop(loops).own;
  const count = turnOf(key, loops);
  const share = (part: number, whole: number): number | undefined =>
    part > 0 && whole > 0 ? part / whole : undefined;
  const base: Count = count ?? hot;
  return {
    hot: share(hot.multiplyAddIssue, hot.issue),
    turn: count && share(count.multiplyAddIssue, count.issue),
    vector: share(base.multiplyAddIssue, base.valu + base.matrix),
    bytes: hot.multiplyAdds > 0 ? hot.ldsBytes / hot.multiplyAdds : undefined,
    matrix: hot.matrix,
  };
}

/** A turn of the outer loop by the first entry whose paths are those of the text. */
function turnOf(key: string, loops: Loop): Count | undefined {
  for (const { outer, trips } of TURNS[key] ?? []) {
    if (Object.keys(trips).some((path) => !loopAt(loops, path))) continue;
    const loop = loopAt(loops, outer);
    const count = loop && countTurn(loop, (path) => trips[path], outer);
    if (count) return count;
  }
  return undefined;
}

/** The shares that are kept from run to run: of a turn if its loops are known, else of the hottest loop. */
export type KeptShares = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Shares in percent by family and kernel, for kernels that multiply. */
export function keptShares(results: readonly FamilyResult[]): KeptShares {
  return Object.fromEntries(
    results.map(({ family, kernels }) => [
      family,
      Object.fromEntries(
        kernels.flatMap((kernel) => {
          const { hot, turn } = sharesOf(kernel);
          const share = turn ?? hot;
          return share === undefined ? [] : [[kernel.key, Math.round(1000 * share) / 10]];
        }),
      ),
    ]),
  );
}

const HEAD = [
  'kernel',
  'in a step',
  'wave',
  'registers',
  'spills',
  'workgroup B',
  'waves per SIMD',
  'hot loop',
  'a turn',
  'of the vector unit',
  'workgroup B per multiply-add',
];

/** The tables of `bench/results/static.md`. */
export function staticReport(results: readonly FamilyResult[]): string {
  const parts = [
    '# Kernels, as a GPU’s compiler leaves them',
    'Made by `npm run bench:static` with Mesa’s compiler for AMD (ACO); nothing was executed. Shares are multiply-adds of all',
    'instructions: of the innermost loop with most of them, and of a whole turn of the loop around it, staging included.',
    'They bound the share of peak that a kernel can reach; caches, latency and bank conflicts are not in them.',
  ];
  for (const { family, adapter, dispatches, kernels } of results) {
    const steps = Object.entries(dispatches).map(([batch, count]) => `${count} with batch ${batch}`);
    parts.push(
      '',
      `## ${family}`,
      '',
      `${adapter}.${steps.length > 0 ? ` Dispatches of a step: ${steps.join(', ')}.` : ''}`,
      '',
    );
    parts.push(`| ${HEAD.join(' | ')} |`, `|${'---|'.repeat(HEAD.length)}`);
    const inOrder = kernels.slice().sort((a, b) => b.uses - a.uses || (a.key < b.key ? -1 : 1));
    for (const kernel of inOrder) parts.push(`| ${rowOf(kernel).join(' | ')} |`);
  }
  return `${parts.join('\n')}\n`;
}

function rowOf(kernel: CompiledKernel): string[] {
  const { key, uses, failed, subgroup, registers, spills, workgroupBytes, wavesPerSimd } = kernel;
  const name = `\`${key}\``;
  if (failed)
    return [
      name,
      String(uses),
      failed.replaceAll('|', '/'),
      ...Array.from({ length: HEAD.length - 3 }, () => ''),
    ];
  const { hot, turn, vector, bytes, matrix } = sharesOf(kernel);
  const percent = (value: number | undefined): string =>
    value === undefined ? '' : `${Math.round(100 * value)} %`;
  const turnText = key in TURNS && turn === undefined ? 'loops unknown' : percent(turn);
  return [
    name,
    String(uses),
    String(subgroup),
    String(registers),
    String(spills),
    String(workgroupBytes),
    String(wavesPerSimd),
    matrix > 0 ? `${matrix} matrix` : percent(hot),
    turnText,
    percent(vector),
    bytes === undefined ? '' : bytes.toFixed(2),
  ];
}
