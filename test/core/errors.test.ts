import { describe, expect, it } from 'vitest';
import * as errors from '../../src/core/errors.ts';

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
