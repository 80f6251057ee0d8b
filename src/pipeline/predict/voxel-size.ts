import type { Triple } from '../../core/shape.ts';
import type { Grid } from '../../imaging/volume/volume.ts';
import type { ModelInfo, TrainedSpacing } from '../models/model.ts';

/** Edges of a voxel in mm, along the axes as they are stored. */
type Spacing = readonly [number, number, number];

/** Voxel sizes that differ by at most this share along every axis count as the same. */
export const SPACING_TOLERANCE = 0.1;

/** A scan has voxels of another size than the network learned at. */
export interface SpacingChange {
  /** The scan's own. */
  readonly from: Spacing;
  /** What it is resampled to: the network's, along the axes that differ. */
  readonly to: Spacing;
}

/** Scans by voxel size: those within the tolerance of a size's first scan share it. In the order of the scans. */
export function groupBySpacing(
  scans: readonly { readonly name: string; readonly spacing: Spacing }[],
): TrainedSpacing[] {
  const groups: { mm: Spacing; scans: string[] }[] = [];
  for (const { name, spacing } of scans) {
    const group = groups.find(({ mm }) => differing(spacing, mm).length === 0);
    if (group) group.scans.push(name);
    else groups.push({ mm: rounded(spacing), scans: [name] });
  }
  return groups;
}

/** The voxel size, [z, y, x], that most scans have; of equally many the first. Undefined without scans. */
export function commonSpacing(groups: readonly TrainedSpacing[]): Triple | undefined {
  const [first, ...others] = groups;
  if (!first) return undefined;
  const { mm } = others.reduce((best, next) => (next.scans.length > best.scans.length ? next : best), first);
  return [mm[2], mm[1], mm[0]];
}

/**
 * What a scan must be resampled to for a network: of the sizes that it learned at the nearest one. Axes within the
 * tolerance stay as they are.
 * @returns undefined where none differs, or where the network does not say what it learned at
 */
export function spacingChange(
  { spacing: known }: Pick<ModelInfo, 'spacing'>,
  grid: Grid,
): SpacingChange | undefined {
  const from = grid.spacing;
  const distance = ({ mm }: TrainedSpacing): number =>
    Math.max(...mm.map((edge, axis) => Math.abs(Math.log(edge / from[axis]!))));
  const nearest = known?.reduce((best, next) => (distance(next) < distance(best) ? next : best));
  if (!nearest) return undefined;
  const axes = differing(from, nearest.mm);
  if (axes.length === 0) return undefined;
  const to = from.map((mm, axis) => (axes.includes(axis) ? nearest.mm[axis]! : mm));
  return { from, to: to as [number, number, number] };
}

/** Axes along which a voxel size is beyond the tolerance of a network's. */
function differing(spacing: Spacing, wanted: Spacing): number[] {
  return [0, 1, 2].filter((axis) => {
    const [a, b] = [spacing[axis]!, wanted[axis]!];
    // A tenth more or a tenth less must not hang on the last bit of a header's float32.
    return Math.abs(a - b) > (SPACING_TOLERANCE + 1e-6) * b;
  });
}

/** `1x1x3 mm`. */
export function formatSpacing(spacing: Spacing): string {
  return `${spacing.map((mm) => Number(mm.toFixed(2))).join('x')} mm`;
}

/** In a sentence, what is done about a scan's voxel size. */
export function describeChange({ from, to }: SpacingChange, resampled: boolean): string {
  const sizes = `its voxels are ${formatSpacing(from)}, those that the network learned at ${formatSpacing(to)}`;
  return resampled
    ? `${sizes}: it is resampled for the network, and the result brought back to its own grid`
    : `${sizes}: it is predicted as it is`;
}

/** What the reader of a run over scans of several voxel sizes must know; undefined where there is one size. */
export function describeMixedSpacing(groups: readonly TrainedSpacing[]): string | undefined {
  if (groups.length < 2) return undefined;
  const list = groups.map(({ mm, scans }) => `${formatSpacing(mm)} (${scans.join(', ')})`).join('; ');
  return `the scans have different voxel sizes, ${list}: a patch of so many voxels does not hold as much brain in each`;
}

/** To a ten-thousandth of a millimetre: headers hold float32, which knows no more. */
function rounded(spacing: Spacing): Spacing {
  return spacing.map((mm) => Math.round(mm * 1e4) / 1e4) as [number, number, number];
}
