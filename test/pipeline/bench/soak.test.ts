import { describe, expect, it } from 'vitest';
import { inputTargets, mutate, mutatedInputs } from '../../../bench/soak/inputs.ts';
import { StorageError } from '../../../src/core/errors.ts';

describe('mutated inputs', async () => {
  for (const target of await inputTargets())
    it(`${target.name}: end in success or in an error of our own`, async () => {
      const { inputs, read } = await mutatedInputs(target, 100, 7);
      expect(inputs).toBe(100);
      // Some changes hurt and some do not: else nothing would have been tried.
      expect(read).toBeGreaterThan(0);
    });

  it('fail the test where an error is not our own', async () => {
    const target = { name: 'x', corpus: [new Uint8Array(9)] };
    const crash = { ...target, read: () => Promise.reject(new TypeError('x is undefined')) };
    await expect(mutatedInputs(crash, 10, 1)).rejects.toThrow(/Counterexample/);
    const refusal = { ...target, read: () => Promise.reject(new StorageError('no')) };
    expect(await mutatedInputs(refusal, 10, 1)).toMatchObject({ inputs: 10, read: 0 });
  });

  it('are changed as told', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    expect([...mutate(bytes, [{ kind: 'set', at: 5, value: 9 }])]).toEqual([1, 9, 3, 4]);
    expect([...mutate(bytes, [{ kind: 'flip', at: 0, value: 1 }])]).toEqual([3, 2, 3, 4]);
    expect([...mutate(bytes, [{ kind: 'cut', at: 1, value: 2 }])]).toEqual([1, 4]);
    expect([...mutate(bytes, [{ kind: 'repeat', at: 2, value: 2 }])]).toEqual([1, 2, 3, 4, 3, 4]);
    expect([...mutate(bytes, [{ kind: 'end', at: 3, value: 0 }])]).toEqual([1, 2, 3]);
    expect([...mutate(bytes, [{ kind: 'text', at: 1, value: '..' }])]).toEqual([1, 46, 46, 4]);
  });
});
