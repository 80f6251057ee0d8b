import type { ArgsDef } from 'citty';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkArguments, editDistance } from '../../src/cli/arguments.ts';
import { Options, parseBytes, parseInteger, parseList, parseNumber } from '../../src/cli/common.ts';
import { reportError } from '../../src/cli/output.ts';
import { describeProgress, formatDuration, formatRate } from '../../src/cli/progress.ts';
import { GpuError, StoppedError, UsageError, VoxelgradError } from '../../src/core/errors.ts';

const ARGS: ArgsDef = {
  dataset: { type: 'positional' },
  out: { type: 'positional', required: false },
  epochs: { type: 'string' },
  loss: { type: 'enum', options: ['dice', 'literal'] },
  json: { type: 'boolean' },
};
const check = (...words: string[]): void => checkArguments(words, ARGS, 'voxelgrad x');

describe('checkArguments', () => {
  it('takes options before, between and after positionals, attached or not', () => {
    check('--json', 'a', '--epochs', '3', 'b', '--loss=dice');
    check('a');
    check('a', '--epochs', '-1');
    check('--', '--a', '-b');
  });

  it.each<[string[], RegExp]>([
    [[], /^DATASET is missing/],
    [['a', 'b', 'c'], /^unexpected argument "c"/],
    [['a', '--epoch', '3'], /^unknown option --epoch$/],
    [['a', '--Epochs', '3'], /^unknown option --Epochs$/],
    [['a', '--dataset', '3'], /^unknown option --dataset$/],
    [['a', '--no-json'], /^unknown option --no-json$/],
    [['a', '--constructor', 'x'], /^unknown option --constructor$/],
    [['a', '-x'], /^unknown option -x$/],
    [['', 'b'], /^DATASET is missing/],
    [['a', '--epochs'], /^--epochs needs a value$/],
    [['a', '--epochs='], /^--epochs needs a value$/],
    [['a', '--epochs', '--json'], /^--epochs needs a value$/],
    [['a', '--epochs', '1', '--epochs', '2'], /^--epochs is given twice$/],
    [['a', '--json=yes'], /^--json takes no value$/],
    [['a', '--loss', 'dyce'], /^--loss must be one of dice, literal, not "dyce"$/],
    [['a', '--epochs', '--'], /^--epochs needs a value$/],
  ])('refuses %j', (words, message) => {
    expect(() => check(...words)).toThrow(UsageError);
    expect(() => check(...words)).toThrow(message);
  });

  it('suggests what was meant', () => {
    const hint = (): string | undefined => {
      try {
        check('a', '--epoch', '3');
      } catch (error) {
        return (error as VoxelgradError).hint;
      }
      return undefined;
    };
    expect(hint()).toBe('Did you mean --epochs?');
  });

  it('never fails but with a usage error', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (words) => {
        try {
          checkArguments(words, ARGS, 'voxelgrad x');
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
    );
  });

  it('measures typing errors', () => {
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('', 'abc')).toBe(3);
  });
});

describe('values', () => {
  it('are decimal numbers and nothing else', () => {
    expect(parseNumber('5e-4', '--lr')).toBe(5e-4);
    expect(parseNumber('.5', '--lr')).toBe(0.5);
    for (const text of ['', ' ', 'x', '0x10', '1,5', 'Infinity', '1e999', '5 mm'])
      expect(() => parseNumber(text, '--lr'), text).toThrow('--lr must be a number');
    for (const text of ['1.0', '1e3', '0b1', '9007199254740993'])
      expect(() => parseInteger(text, '--n'), text).toThrow('--n must be a whole number');
  });

  it('keep to their range, which the message gives', () => {
    expect(() => parseNumber('2', '--x', { min: 0, max: 1 })).toThrow(
      '--x must be a number from 0 to 1, not "2"',
    );
    expect(() => parseNumber('0', '--x', { above: 0 })).toThrow('a number above 0, not "0"');
    expect(() => parseInteger('0', '--x', { min: 1 })).toThrow('a whole number of at least 1, not "0"');
    expect(() => parseInteger('9', '--x', { max: 8 })).toThrow('a whole number of at most 8, not "9"');
  });

  it('are lists without holes and repetitions', () => {
    expect(parseList('07, 19', '--subjects')).toEqual(['07', '19']);
    expect(() => parseList('07,', '--subjects')).toThrow('--subjects must be a list');
    expect(() => parseList('07,07', '--subjects')).toThrow('--subjects names "07" twice');
  });

  it('are the edges of a cube or of another box', () => {
    const read = (text: string): unknown => new Options<'patch'>({ patch: text }).extents('patch');
    expect(['64', '16x64x32', '16,64,32', '8x8x8'].map(read)).toEqual([64, [16, 64, 32], [16, 64, 32], 8]);
    expect(() => read('16x64')).toThrow('--patch must be one number, or three along z, y, x, not "16x64"');
    expect(() => read('16x0x64')).toThrow('--patch must be a whole number of at least 1, not "0"');
    expect(() => read('big')).toThrow('--patch must be a whole number, not "big"');
  });

  it('are undefined where an option is not given', () => {
    const options = new Options<'epochs' | 'seed'>({ _: [] });
    expect([options.text('epochs'), options.integer('epochs'), options.list('epochs')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(options.seed()).toBe(1);
  });
});

describe('sizes', () => {
  it('are bytes, or have a unit', () => {
    const read = (text: string): number => parseBytes(text, '--memory');
    expect(['1', '512M', '1.5 GB', '2k', '.5T'].map(read)).toEqual([1, 512e6, 1.5e9, 2000, 5e11]);
    for (const text of ['', '0', 'M', '-1M', '1X', '1e9', '1MM', '9999999999G'])
      expect(() => read(text), text).toThrow('--memory must be a size such as 512M or 4G');
  });
});

describe('reportError', () => {
  it('exits as a shell reports the signal that stopped a run', () => {
    expect(reportError(new StoppedError('stopped by SIGTERM', 143), false).exitCode).toBe(143);
  });

  it('gives 2 to wrong usage and 1 to the rest', () => {
    expect(reportError(new UsageError('x'), false).exitCode).toBe(2);
    expect(reportError(new GpuError('x'), false).exitCode).toBe(1);
    expect(reportError('thrown text', false).exitCode).toBe(1);
  });

  it('keeps an error to one line and a hint', () => {
    const error = new VoxelgradError('dataset', 'first\n  second\n', { hint: 'do this' });
    expect(reportError(error, false).text).toBe('error: first second\nhint: do this\n');
    expect(reportError(new GpuError('first', { hint: 'Do this.' }), false).text).toBe(
      'error: first\nhint: Do this. What the adapter offers: `voxelgrad doctor`.\n',
    );
  });

  it('tells a defect from a failure, and shows causes with --debug', () => {
    const error = new TypeError('no such field', { cause: new Error('deeper') });
    const report = reportError(error, true);
    expect(report.text).toContain('error: unexpected failure: no such field\nhint: This is a defect');
    expect(report.text).toMatch(/TypeError: no such field\n\s+at [\s\S]*caused by:\nError: deeper/);
    expect(report.json.error.code).toBe('internal');
  });
});

describe('progress', () => {
  it('tells rate and time left', () => {
    const options = { label: 'training', total: 200, unit: 'step' };
    expect(describeProgress(options, 0, 0)).toBe('0/200 steps, starting');
    expect(describeProgress(options, 50, 100)).toBe('50/200 steps, 2.0 s/step, 5:00 left');
    expect(describeProgress(options, 50.7, 10)).toBe('50/200 steps, 5.1 steps/s, 0:29 left');
    // Nothing is said of the rest before there is something to say it by, nor of what another process did.
    expect(describeProgress(options, 0.3, 100)).toBe('0/200 steps, starting');
    expect(describeProgress(options, 90, 0.1)).toBe('90/200 steps, starting');
    expect(describeProgress(options, 100, 100, 50)).toBe('100/200 steps, 2.0 s/step, 3:20 left');
    expect(describeProgress({ label: 'predicting', total: 1, unit: 'scan' }, 0.5, 10)).toBe(
      '0/1 scans, 20 s/scan, 0:10 left',
    );
  });

  it('counts time where that is the bound', () => {
    expect(describeProgress({ label: 'training', total: 600, unit: 's' }, 60, 60)).toBe(
      '1:00 of 10:00, 9:00 left',
    );
  });

  it('writes durations and rates', () => {
    expect(formatDuration(59.6)).toBe('1:00');
    expect(formatDuration(3 * 3600 + 65)).toBe('3:01:05');
    expect(formatRate(0.4, 'step')).toBe('2.5 s/step');
    expect(formatRate(123.4, 'scan')).toBe('123 scans/s');
    expect(formatRate(1 / 162, 'scan')).toBe('162 s/scan');
  });
});
