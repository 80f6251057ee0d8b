/** Reads AMD machine code as text and counts what its loops hold. */

/** What an instruction occupies. `wait` is not issued to a unit and is not counted. */
export type InstructionKind =
  | 'wait'
  | 'barrier'
  | 'branch'
  | 'smem'
  | 'salu'
  | 'lds'
  | 'ldsStore'
  | 'spill'
  | 'vmem'
  | 'store'
  | 'matrix'
  | 'valu';

/** One instruction, classified. */
export interface Instruction {
  readonly kind: InstructionKind;
  /** Multiply-adds that it does per lane. */
  readonly multiplyAdds: number;
  /** Bytes that a lane moves. */
  readonly bytes: number;
}

/** Sums over instructions. */
export interface Count {
  /** Instructions issued, waits left out. */
  issue: number;
  /** Of the vector unit. */
  valu: number;
  /** Multiply-adds per lane; a packed or paired instruction holds two. */
  multiplyAdds: number;
  /** Instructions that hold multiply-adds. */
  multiplyAddIssue: number;
  /** Matrix instructions. */
  matrix: number;
  lds: number;
  ldsStore: number;
  /** Bytes that a lane reads from workgroup memory. */
  ldsBytes: number;
  vmem: number;
  store: number;
  spill: number;
}

/** A loop with the loops inside it; `own` counts what is in none of these. */
export interface Loop {
  readonly from: number;
  readonly end: number;
  readonly loops: Loop[];
  readonly own: Count;
}

const BYTES_PER_WORD = 4;

/** Classifies one line of machine code by the instruction's name. */
export function classify(text: string): Instruction {
  const name = text.trim().split(/\s+/)[0] ?? '';
  const plain = (kind: InstructionKind, bytes = 0, multiplyAdds = 0): Instruction => ({
    kind,
    bytes,
    multiplyAdds,
  });
  if (
    /^s_(waitcnt|wait_|delay_alu|nop|clause|sendmsg|endpgm|inst_prefetch|set_inst|code_end|barrier_)/.test(
      name,
    )
  )
    return plain('wait');
  if (/^s_barrier/.test(name)) return plain('barrier');
  if (/^s_c?branch/.test(name)) return plain('branch');
  if (/^s_(buffer_)?load/.test(name)) return plain('smem', BYTES_PER_WORD * wordsOf(name));
  if (/^s_/.test(name)) return plain('salu');
  if (/^ds_(load|read)/.test(name)) return plain('lds', BYTES_PER_WORD * wordsOf(name));
  if (/^ds_(store|write)/.test(name)) return plain('ldsStore', BYTES_PER_WORD * wordsOf(name));
  if (/^ds_/.test(name)) return plain('lds', BYTES_PER_WORD);
  if (/^scratch_/.test(name)) return plain('spill', BYTES_PER_WORD * wordsOf(name));
  if (/^(buffer|global|flat|tbuffer|image)_(load|atomic)/.test(name))
    return plain('vmem', BYTES_PER_WORD * wordsOf(name));
  if (/^(buffer|global|flat|tbuffer|image)_store/.test(name))
    return plain('store', BYTES_PER_WORD * wordsOf(name));
  if (/^v_(wmma|swmmac|mfma)/.test(name)) return plain('matrix');
  // Two operations in one instruction, each with its own name.
  if (/^v_dual_/.test(name)) {
    const halves = text.split('::').map((half) => half.trim().split(/\s+/)[0] ?? '');
    return plain('valu', 0, halves.filter((half) => /fma|mac/.test(half)).length);
  }
  if (/^v_pk_(fma|mad)_/.test(name)) return plain('valu', 0, 2);
  const integer = /[ui](16|24|32|64)/.test(name);
  return plain('valu', 0, /^v_(fma|fmac|mac|mad)(ak|mk|_|$)/.test(name) && !integer ? 1 : 0);
}

function wordsOf(name: string): number {
  const two = /2addr|read2|write2/.test(name) ? 2 : 1;
  const bits = /_b(\d+)/.exec(name);
  if (bits) return (two * Number(bits[1])) / 32;
  const words = /dword(?:x(\d))?/.exec(name);
  if (words) return two * Number(words[1] ?? 1);
  return /[uib](8|16)|d16|short|byte/.test(name) ? 0.5 : 1;
}

interface Placed extends Instruction {
  /** Index that a branch jumps to. */
  to: number | undefined;
}

function parse(text: string): Placed[] {
  const list: (Placed & { readonly target: string | undefined })[] = [];
  const labels = new Map<string, number>();
  for (const line of text.split('\n')) {
    const label = /^(\w+):/.exec(line);
    if (label) {
      labels.set(label[1]!, list.length);
      continue;
    }
    const code = line.replace(/;.*$/, '').trim();
    if (!/^\s+\S/.test(line) || !code || code.startsWith('//')) continue;
    const target = /^s_c?branch\w*\s+(\w+)/.exec(code)?.[1];
    list.push({ ...classify(code), target, to: undefined });
  }
  for (const one of list) if (one.target !== undefined) one.to = labels.get(one.target);
  return list;
}

/** The loops of a text as a tree: a loop is what lies between a branch backwards and its target. */
export function loopTree(text: string): Loop {
  const list = parse(text);
  const ends = new Map<number, number>();
  list.forEach(({ to }, i) => {
    if (to !== undefined && to <= i) ends.set(to, Math.max(ends.get(to) ?? 0, i + 1));
  });
  interface Draft {
    readonly from: number;
    readonly end: number;
    readonly loops: Draft[];
  }
  const root: Draft = { from: 0, end: list.length, loops: [] };
  const place = (parent: Draft, loop: Draft): void => {
    const inside = parent.loops.find((each) => each.from <= loop.from && loop.end <= each.end);
    if (inside) place(inside, loop);
    else parent.loops.push(loop);
  };
  const largestFirst = [...ends]
    .map(([from, end]): Draft => ({ from, end, loops: [] }))
    .sort((a, b) => b.end - b.from - (a.end - a.from));
  for (const loop of largestFirst) place(root, loop);
  const finish = ({ from, end, loops }: Draft): Loop => {
    const own = list.filter(
      (_, i) => i >= from && i < end && !loops.some((loop) => i >= loop.from && i < loop.end),
    );
    return {
      from,
      end,
      loops: loops.sort((a, b) => a.from - b.from).map(finish),
      own: countOf(own),
    };
  };
  return finish(root);
}

function countOf(list: readonly Instruction[]): Count {
  const count = emptyCount();
  for (const { kind, multiplyAdds, bytes } of list) {
    if (kind === 'wait') continue;
    count.issue++;
    if (kind in count) count[kind as keyof Count]++;
    count.multiplyAdds += multiplyAdds;
    if (multiplyAdds > 0) count.multiplyAddIssue++;
    if (kind === 'lds') count.ldsBytes += bytes;
  }
  return count;
}

function emptyCount(): Count {
  return {
    issue: 0,
    valu: 0,
    multiplyAdds: 0,
    multiplyAddIssue: 0,
    matrix: 0,
    lds: 0,
    ldsStore: 0,
    ldsBytes: 0,
    vmem: 0,
    store: 0,
    spill: 0,
  };
}

function add(a: Count, b: Count, times: number): Count {
  const sum = emptyCount();
  for (const field of Object.keys(sum) as (keyof Count)[]) sum[field] = a[field] + times * b[field];
  return sum;
}

/**
 * Counts of one turn of a loop, inner loops taken as often as `trips` says of their path (`0`, `0.1`, ...).
 * @param trips undefined for a path that it does not know
 * @returns undefined if a loop's count is not known
 */
export function countTurn(
  loop: Loop,
  trips: (path: string) => number | undefined,
  path: string,
): Count | undefined {
  let sum = loop.own;
  for (const [i, inner] of loop.loops.entries()) {
    const at = path === '' ? String(i) : `${path}.${i}`;
    const times = trips(at);
    const count = times === undefined ? undefined : countTurn(inner, trips, at);
    if (times === undefined || !count) return undefined;
    sum = add(sum, count, times);
  }
  return sum;
}

/** The loop that holds most multiply-adds outside its inner loops: where a kernel spends its time. */
export function hottestLoop(root: Loop): Loop {
  const score = ({ own }: Loop): number => own.multiplyAdds + 1000 * own.matrix;
  let best = root;
  const visit = (loop: Loop): void => {
    if (score(loop) > score(best)) best = loop;
    loop.loops.forEach(visit);
  };
  visit(root);
  return best;
}

/** The loop at a path such as `1.2`; the root for an empty one. */
export function loopAt(root: Loop, path: string): Loop | undefined {
  if (path === '') return root;
  return path.split('.').reduce<Loop | undefined>((loop, i) => loop?.loops[Number(i)], root);
}

/** The tree as lines, from which to write down how often the loops run. */
export function describeLoops(loop: Loop, path = '', depth = 0): string[] {
  const { issue, valu, multiplyAdds, lds, ldsStore, vmem, store, matrix } = loop.own;
  const line = `${'  '.repeat(depth)}${path === '' ? 'all' : `loop ${path}`}: ${issue} instructions, ${valu} vector, ${multiplyAdds} multiply-adds, ${matrix} matrix, workgroup memory ${lds} + ${ldsStore}, memory ${vmem} + ${store}`;
  return [
    line,
    ...loop.loops.flatMap((inner, i) =>
      describeLoops(inner, path === '' ? String(i) : `${path}.${i}`, depth + 1),
    ),
  ];
}
