import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileKernels, missingTools } from '../../bench/static/compile.ts';
import { classify, countTurn, hottestLoop, loopAt, loopTree } from '../../bench/static/isa.ts';
import { type KeptShares, keptShares } from '../../bench/static/report.ts';

describe('machine code', () => {
  it('is classified by the instruction', () => {
    for (const [text, kind, multiplyAdds, bytes] of [
      ['v_fma_f32 v0, v1, v2, v3', 'valu', 1, 0],
      ['v_dual_fmac_f32 v0, v1, v2 :: v_dual_fmac_f32 v3, v4, v5', 'valu', 2, 0],
      ['v_pk_fma_f16 v0, v1, v2, v0', 'valu', 2, 0],
      ['v_mad_u32_u24 v0, v1, v2, v3', 'valu', 0, 0],
      ['v_add_f32 v0, v1, v2', 'valu', 0, 0],
      ['v_wmma_f32_16x16x16_f16 v[0:7], v[8:15], v[16:23], v[0:7]', 'matrix', 0, 0],
      ['ds_load_b128 v[0:3], v4', 'lds', 0, 16],
      ['ds_read2_b32 v[0:1], v4 offset1:1', 'lds', 0, 8],
      ['buffer_load_dwordx4 v[0:3], v4, s[0:3], 0', 'vmem', 0, 16],
      ['s_waitcnt vmcnt(0)', 'wait', 0, 0],
    ] as const)
      expect(classify(text), text).toEqual({ kind, multiplyAdds, bytes });
  });

  it('is read as a tree of loops, and a turn is counted by their trips', () => {
    const text = `BB0:
  v_mov_b32 v0, 0
BB1:
  v_add_f32 v1, v1, v2
BB2:
  v_fma_f32 v0, v1, v2, v0
  s_waitcnt 0
  s_cbranch_scc1 BB2
  s_cbranch_scc1 BB1
  s_endpgm
`;
    const root = loopTree(text);
    expect(root.loops).toHaveLength(1);
    expect(root.loops[0]!.loops).toHaveLength(1);
    expect(hottestLoop(root).own).toMatchObject({ issue: 2, multiplyAdds: 1 });
    const outer = loopAt(root, '0')!;
    expect(countTurn(outer, (path) => (path === '0.0' ? 10 : undefined), '0')).toMatchObject({
      issue: 22,
      multiplyAdds: 10,
    });
    expect(countTurn(outer, () => undefined, '0')).toBeUndefined();
  });
});

describe("convolutions as a GPU's compiler leaves them", () => {
  it('keep their share of multiply-adds, without spills', { timeout: 240_000 }, ({ skip }) => {
    const missing = missingTools();
    if (missing) skip(missing);
    const results = compileKernels({
      families: ['navi31'],
      only: 'conv',
      baseChannels: 16,
      levels: 4,
      patch: 64,
      batches: [2],
    });
    const path = new URL('../../bench/results/static.json', import.meta.url);
    const before = (JSON.parse(readFileSync(path, 'utf8')) as KeptShares).navi31!;
    const now = keptShares(results).navi31!;
    const used = results[0]!.kernels.filter(({ uses }) => uses > 0);
    expect(used.length).toBeGreaterThan(5);
    for (const { key, failed, spills } of used) {
      expect(failed, key).toBeUndefined();
      expect(spills, `spilled registers of ${key}`).toBe(0);
      const share = now[key];
      if (share === undefined) continue;
      expect(before[key], `${key} is not in bench/results/static.json: npm run bench:static`).toBeDefined();
      expect(share, `${key}, percent`).toBeGreaterThanOrEqual(before[key]! - 2);
    }
  });
});
