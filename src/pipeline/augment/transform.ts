import { UsageError } from '../../core/errors.ts';
import type { Triple } from '../../core/shape.ts';
import type { Matrix3, Shifts, SpatialChange } from './augmentation.ts';

/** Where the voxels of a patch are read from. */
export interface SpatialTransform {
  /** In mm, [z, y, x]. */
  readonly matrix: Matrix3;
  readonly shifts?: Shifts | undefined;
}

/** Leaves each voxel where it is. */
export const IDENTITY: Matrix3 = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/**
 * Puts changes together: the first one's matrix is applied last, and displacements add up.
 * @throws UsageError for displacements with different numbers of control points.
 */
export function composeChanges(changes: readonly (SpatialChange | undefined)[]): SpatialTransform {
  let matrix = IDENTITY;
  let shifts: Shifts | undefined;
  for (const change of changes) {
    if (change?.matrix) matrix = multiply(matrix, change.matrix);
    if (!change?.shifts) continue;
    if (shifts && shifts.points !== change.shifts.points)
      throw new UsageError(
        `augmentation: displacements have ${shifts.points} and ${change.shifts.points} control points along an axis`,
        { hint: 'Give all of them the same number.' },
      );
    const more = change.shifts.values;
    shifts = shifts
      ? { points: shifts.points, values: shifts.values.map((value, i) => value + more[i]!) }
      : change.shifts;
  }
  return { matrix, shifts };
}

/** Which axes are mirrored, if a transform does nothing else. */
export function mirroring({
  matrix,
  shifts,
}: SpatialTransform): readonly [boolean, boolean, boolean] | undefined {
  const plain = matrix.every((value, i) => (i % 4 === 0 ? Math.abs(value) === 1 : value === 0));
  return plain && !shifts ? [matrix[0] < 0, matrix[4] < 0, matrix[8] < 0] : undefined;
}

/** A matrix in mm as one between voxels. @param spacing [z, y, x] in mm */
export function betweenVoxels(matrix: Matrix3, spacing: Triple): Matrix3 {
  return matrix.map(
    (value, i) => (value * spacing[i % 3]!) / spacing[Math.floor(i / 3)]!,
  ) as unknown as Matrix3;
}

/** a · b. */
export function multiply(a: Matrix3, b: Matrix3): Matrix3 {
  return Array.from({ length: 9 }, (_, i) => {
    const [row, column] = [3 * Math.floor(i / 3), i % 3];
    return a[row]! * b[column]! + a[row + 1]! * b[3 + column]! + a[row + 2]! * b[6 + column]!;
  }) as unknown as Matrix3;
}
