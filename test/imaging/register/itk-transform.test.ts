import { describe, expect, it } from 'vitest';
import { readItkTransform, writeItkTransform } from '../../../src/imaging/register/itk-transform.ts';
import { poseMatrix } from '../../../src/imaging/register/pose.ts';

/** As ANTs writes it: y = A (x - c) + c + t in LPS. */
const ANTS = `#Insight Transform File V1.0
#Transform 0
Transform: MatrixOffsetTransformBase_double_3_3
Parameters: 0 -1 0 1 0 0 0 0 1 5 6 7
FixedParameters: 10 20 30
`;

describe('ITK transforms', () => {
  it('come back as they were written', () => {
    const transform = poseMatrix([1.5, -20, 3, 11, 4, -9, 1, -2, 0.5, 0.1, 0.2, 0.3], [10, -4, 60]);
    const read = readItkTransform(writeItkTransform(transform), 'a.txt');
    transform.forEach((v, i) => {
      expect(read[i]).toBeCloseTo(v, 10);
    });
  });

  it('are read about their centre and turned from LPS to RAS', () => {
    const m = readItkTransform(ANTS, 'a.txt');
    // LPS (11, 20, 30) is one to the left of the centre; it goes to c + t + (0, 1, 0) = (15, 27, 37).
    const point = [-11, -20, 30];
    const moved = [0, 1, 2].map(
      (r) => m[r]! * point[0]! + m[4 + r]! * point[1]! + m[8 + r]! * point[2]! + m[12 + r]!,
    );
    expect(moved).toEqual([-15, -27, 37]);
  });

  it('are refused if they are something else', () => {
    expect(() => readItkTransform('<svg/>', 'a.txt')).toThrow('a.txt: the first line is not');
    expect(() =>
      readItkTransform(ANTS.replace('MatrixOffsetTransformBase', 'BSplineTransform'), 'a.txt'),
    ).toThrow('BSplineTransform_double_3_3');
    expect(() => readItkTransform(ANTS.replace(' 5 6 7', ''), 'a.txt')).toThrow(
      'Parameters must be 12 numbers',
    );
    expect(() => readItkTransform(ANTS.replace('0 0 1 5', '0 0 0 5'), 'a.txt')).toThrow('singular');
    expect(() => readItkTransform(ANTS.replace('1 5', 'NaN 5'), 'a.txt')).toThrow('12 numbers');
  });
});
