import { FileFormatError } from '../../core/errors.ts';

/** Kinds of transforms that hold a matrix and an offset: what ANTs, ITK and Slicer write for affine registration. */
const KINDS = /^(AffineTransform|MatrixOffsetTransformBase)_(double|float)_3_3$/;

/** Sign of each axis of RAS+ in ITK's LPS+. */
const LPS = [-1, -1, 1] as const;

/**
 * An affine transform as an ITK text file (`Insight Transform File V1.0`), which Slicer, ANTs and SimpleITK read. ITK's world is LPS+, so the
 * matrix is L M L with L = diag(-1, -1, 1).
 *
 * @param transform from world mm to world mm, RAS+, column-major: the points of the fixed image to those of the moving one
 */
export function writeItkTransform(transform: ArrayLike<number>): string {
  const at = (row: number, column: number): number => {
    const value = transform[column * 4 + row]! * LPS[row]! * (column < 3 ? LPS[column]! : 1);
    return value === 0 ? 0 : value;
  };
  const parameters = [0, 1, 2].flatMap((row) => [0, 1, 2].map((column) => at(row, column)));
  const offset = [0, 1, 2].map((row) => at(row, 3));
  return [
    '#Insight Transform File V1.0',
    '#Transform 0',
    'Transform: AffineTransform_double_3_3',
    `Parameters: ${[...parameters, ...offset].join(' ')}`,
    'FixedParameters: 0 0 0',
    '',
  ].join('\n');
}

/**
 * Reads an ITK text file with one affine transform.
 *
 * @returns from world mm to world mm, RAS+, column-major
 * @throws FileFormatError where it is none, has several transforms, or a singular matrix
 */
export function readItkTransform(text: string, path: string): Float64Array {
  if (!/^#Insight Transform File V1\.0\s*$/m.test(text.slice(0, 200)))
    throw new FileFormatError(path, 'the first line is not "#Insight Transform File V1.0"', {
      hint: 'Give an ITK transform as text (.txt or .tfm).',
    });
  const values = (name: string): string[] =>
    [...text.matchAll(new RegExp(`^${name}:[ \\t]*(.*)$`, 'gm'))].map((match) => match[1]!.trim());
  const kinds = values('Transform');
  if (kinds.length !== 1 || !KINDS.test(kinds[0]!))
    throw new FileFormatError(
      path,
      `holds ${kinds.length === 0 ? 'no transform' : kinds.join(', ')}, but one AffineTransform of 3 dimensions is read`,
    );
  const numbers = (name: string, count: number): number[] => {
    const found = (values(name)[0] ?? '').split(/\s+/).map(Number);
    if (found.length !== count || !found.every(Number.isFinite))
      throw new FileFormatError(
        path,
        `${name} must be ${count} numbers, got ${JSON.stringify(values(name)[0] ?? '')}`,
      );
    return found;
  };
  const parameters = numbers('Parameters', 12);
  const centre = numbers('FixedParameters', 3);
  const out = new Float64Array(16);
  out[15] = 1;
  for (let row = 0; row < 3; row++) {
    let offset = parameters[9 + row]! + centre[row]!;
    for (let column = 0; column < 3; column++) {
      const value = parameters[row * 3 + column]!;
      offset -= value * centre[column]!;
      out[column * 4 + row] = value * LPS[row]! * LPS[column]!;
    }
    out[12 + row] = offset * LPS[row]!;
  }
  const [a, b, c] = [out.subarray(0, 3), out.subarray(4, 7), out.subarray(8, 11)] as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const determinant =
    a[0]! * (b[1]! * c[2]! - b[2]! * c[1]!) -
    b[0]! * (a[1]! * c[2]! - a[2]! * c[1]!) +
    c[0]! * (a[1]! * b[2]! - a[2]! * b[1]!);
  if (!(Math.abs(determinant) > 1e-9))
    throw new FileFormatError(path, `the matrix is singular (determinant ${determinant})`);
  return out;
}
