import { describe, expect, it } from 'vitest';
import { optionWords } from '../../src/cli/settings.ts';
import * as errors from '../../src/core/errors.ts';
import { setting, Wording, worded } from '../../src/core/wording.ts';
import { problemOf } from '../../src/web/problem.ts';

describe('errors', () => {
  it('carry a stable code, their own name, the hint and the cause', () => {
    const cause = new Error('below');
    const error = new errors.DatasetError('sub-07 has no FLAIR', { hint: 'Add it.', cause });
    expect(error).toBeInstanceOf(errors.VoxelgradError);
    expect(error).toMatchObject({
      name: 'DatasetError',
      code: 'dataset',
      message: 'sub-07 has no FLAIR',
      hint: 'Add it.',
      cause,
    });
    expect('cause' in new errors.UsageError('no')).toBe(false);
  });

  it('name settings as code does, and in the words of whoever asks', () => {
    const shown = '{x} {patch}';
    const fits = [worded`${setting('batch', 2)} (${12} MB)`, worded`${setting('recompute', true)} (3 MB)`];
    const error = new errors.UsageError(worded`${setting('baseChannels')} of ${shown} is ${0}`, {
      hint: worded`It would fit with ${Wording.join(fits, ', or ')}.`,
    });
    expect(error.message).toBe('baseChannels of {x} {patch} is 0');
    expect(error.hint).toBe('It would fit with batch: 2 (12 MB), or recompute: true (3 MB).');
    expect(error.tell(optionWords)).toEqual({
      message: '--base-channels of {x} {patch} is 0',
      hint: 'It would fit with --batch 2 (12 MB), or --recompute (3 MB).',
    });
    expect(optionWords(setting('resample', false))).toBe('--no-resample');
    expect(problemOf(error)).toEqual({
      message: 'Number of channels of {x} {patch} is 0.',
      hint: 'It would fit with batch 2 (12 MB), or recompute (3 MB).',
    });
    const plain = new errors.UsageError('no', { hint: 'Do.' });
    expect(plain.tell(optionWords)).toEqual({ message: 'no', hint: 'Do.' });
  });

  it('name the op, the rule and the shapes', () => {
    const error = new errors.ShapeError('conv3d', 'channels agree', '2x3, 4x5');
    expect(error.message).toBe('conv3d: channels agree; got 2x3, 4x5');
    expect(error.code).toBe('shape');
  });

  it('tell a lost device and exhausted memory from other GPU errors', () => {
    const lost = new errors.DeviceLostError('gone');
    const memory = new errors.OutOfMemoryError('arena needs 9 GB');
    expect(lost).toBeInstanceOf(errors.GpuError);
    expect(memory).toBeInstanceOf(errors.GpuError);
    expect([lost.code, memory.code, new errors.GpuError('x').code]).toEqual([
      'device-lost',
      'out-of-memory',
      'gpu',
    ]);
  });
});
