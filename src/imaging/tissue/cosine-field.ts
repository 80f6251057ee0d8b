import { solvePositive } from '../../core/cholesky.ts';

/** Cosines of each axis up to this degree (not included) make the field; their degrees sum to less than it. */
export const DEGREE = 4;
/** Degrees of products of two of them. */
export const DOUBLE_DEGREE: number = 2 * DEGREE - 1;
/** Numbers of a plane's sums: 7x7 of the weights, 4x4 of the weighted errors. */
export const PLANE_SUMS: number = DOUBLE_DEGREE ** 2 + DEGREE ** 2;
/** Numbers of a row's sums: 7 of the weights, 4 of the weighted errors. */
export const ROW_SUMS: number = DOUBLE_DEGREE + DEGREE;

/** Degrees (i, j, k) along x, y, z of a field's terms, the constant left out. */
export const TERMS: readonly (readonly [number, number, number])[] = terms();

function terms(): [number, number, number][] {
  const out: [number, number, number][] = [];
  for (let k = 0; k < DEGREE; k++)
    for (let j = 0; j < DEGREE - k; j++)
      for (let i = 0; i < DEGREE - k - j; i++) if (i + j + k > 0) out.push([i, j, k]);
  return out;
}

/** cos(pi k (i + 1/2) / n) for all three axes: [axis][degree][extent], {@link DOUBLE_DEGREE} degrees each. */
export function cosineTable(shape: readonly [number, number, number]): Float32Array {
  return Float32Array.from(
    shape.flatMap((n) =>
      Array.from({ length: DOUBLE_DEGREE * n }, (_, at) =>
        Math.cos((Math.PI * Math.floor(at / n) * ((at % n) + 0.5)) / n),
      ),
    ),
  );
}

/**
 * The field that fits best, in the sense of weighted least squares: the sum over voxels of W (e - field)² is smallest.
 *
 * @param planes [nz, {@link PLANE_SUMS}] of one channel: sums over x and y of W C_a(x) C_b(y) at [b * 7 + a], then of
 *   W e C_a(x) C_b(y) at [49 + b * 4 + a]
 * @param table of {@link cosineTable}
 * @param meanOfTerms each term's mean over the brain; the field's own mean there becomes 0
 * @returns [k][j][i] coefficients, {@link DEGREE} each
 */
export function solveField(
  planes: Float32Array | Float64Array,
  shape: readonly [number, number, number],
  table: Float32Array,
  meanOfTerms: readonly number[],
): Float32Array {
  const [nx, ny, nz] = shape;
  const cosineZ = (k: number, z: number): number => table[DOUBLE_DEGREE * (nx + ny) + k * nz + z]!;
  const sum = (at: number, k: number): number => {
    let total = 0;
    for (let z = 0; z < nz; z++) total += planes[z * PLANE_SUMS + at]! * cosineZ(k, z);
    return total;
  };
  const weights = new Float64Array(DOUBLE_DEGREE ** 3);
  for (let k = 0; k < DOUBLE_DEGREE; k++)
    for (let ab = 0; ab < DOUBLE_DEGREE ** 2; ab++) weights[k * DOUBLE_DEGREE ** 2 + ab] = sum(ab, k);
  const weight = (a: number, b: number, c: number): number =>
    weights[(c * DOUBLE_DEGREE + b) * DOUBLE_DEGREE + a]!;
  const n = TERMS.length;
  const matrix = new Float64Array(n * n);
  const right = new Float64Array(n);
  TERMS.forEach(([i, j, k], row) => {
    right[row] = sum(DOUBLE_DEGREE ** 2 + j * DEGREE + i, k);
    TERMS.forEach(([p, q, r], column) => {
      let total = 0;
      // cos a cos b = (cos(a + b) + cos(a - b)) / 2, along each axis.
      for (const a of [i + p, Math.abs(i - p)])
        for (const b of [j + q, Math.abs(j - q)])
          for (const c of [k + r, Math.abs(k - r)]) total += weight(a, b, c);
      matrix[row * n + column] = total / 8;
    });
  });
  let trace = 0;
  for (let t = 0; t < n; t++) trace += matrix[t * n + t]!;
  // Keeps the solution small where the brain leaves a term open (a few slices).
  for (let t = 0; t < n; t++) matrix[t * n + t]! += (1e-6 * trace) / n;
  const solution = solvePositive(matrix, right);
  const out = new Float32Array(DEGREE ** 3);
  let mean = 0;
  TERMS.forEach(([i, j, k], t) => {
    out[(k * DEGREE + j) * DEGREE + i] = solution[t]!;
    mean += solution[t]! * meanOfTerms[t]!;
  });
  out[0] = -mean;
  return out;
}

/** Each term's mean over voxels, summed in float64. @param position x, y, z in ten bits each */
export function termMeans(
  position: Uint32Array,
  shape: readonly [number, number, number],
  table: Float32Array,
): number[] {
  const [nx, ny, nz] = shape;
  const means = new Float64Array(TERMS.length);
  const cosine = (offset: number, n: number, at: number): number[] =>
    Array.from({ length: DEGREE }, (_, k) => table[offset + k * n + at]!);
  const columns = Array.from({ length: nx }, (_, x) => cosine(0, nx, x));
  const rows = Array.from({ length: ny }, (_, y) => cosine(DOUBLE_DEGREE * nx, ny, y));
  const planes = Array.from({ length: nz }, (_, z) => cosine(DOUBLE_DEGREE * (nx + ny), nz, z));
  for (const at of position) {
    const x = columns[at & 1023]!;
    const y = rows[(at >> 10) & 1023]!;
    const z = planes[at >> 20]!;
    for (let t = 0; t < TERMS.length; t++) {
      const [i, j, k] = TERMS[t]!;
      means[t]! += x[i]! * y[j]! * z[k]!;
    }
  }
  return Array.from(means, (total) => total / position.length);
}
