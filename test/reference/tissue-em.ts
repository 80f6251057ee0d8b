import { GAUSSIANS, initialGaussians, tissueOf } from '../../src/imaging/tissue/mixture.ts';

/** What the reference segments: whole boxes, voxels outside the mask do not count. */
export interface ReferenceInput {
  readonly shape: readonly [number, number, number];
  readonly mask: Uint8Array;
  /** One box of intensities a channel. */
  readonly channels: readonly Float32Array[];
  readonly beta: number;
  readonly weights: readonly [number, number, number];
  /** Boxes of log prior probabilities of GM, WM, CSF. */
  readonly logPriors?: readonly Float32Array[];
}

/** The steps of the tissue segmentation in float64, written from the formulae, voxel by voxel on the whole box. */
export class TissueReference {
  readonly input: ReferenceInput;
  readonly inside: number[];
  z: Float64Array[];
  readonly responsibility: Float64Array[];
  posterior: Float64Array[];
  means: number[][] = [];
  covariances: number[][][] = [];
  mix: number[] = [];

  constructor(input: ReferenceInput) {
    this.input = input;
    this.inside = [...input.mask.keys()].filter((i) => input.mask[i] !== 0);
    this.z = input.channels.map((channel) => Float64Array.from(channel));
    const size = input.mask.length;
    this.responsibility = Array.from({ length: GAUSSIANS }, () => new Float64Array(size));
    this.posterior = [0, 1, 2].map(() => new Float64Array(size));
    const start = initialGaussians(Float32Array.from(this.inside, (i) => input.channels[0]![i]!));
    this.inside.forEach((i, v) => {
      this.responsibility[start[v]!]![i] = 1;
      this.posterior[tissueOf(start[v]!)]![i] = 1;
    });
  }

  fit(): void {
    const channels = [...this.z.keys()];
    const weights = this.responsibility.map((r) => this.inside.reduce((sum, i) => sum + r[i]!, 0));
    this.means = this.responsibility.map((r, g) =>
      channels.map((c) => this.inside.reduce((sum, i) => sum + r[i]! * this.z[c]![i]!, 0) / weights[g]!),
    );
    this.covariances = this.responsibility.map((r, g) =>
      channels.map((c) =>
        channels.map((e) => {
          const [a, b] = [this.means[g]![c]!, this.means[g]![e]!];
          const sum = this.inside.reduce(
            (s, i) => s + r[i]! * (this.z[c]![i]! - a) * (this.z[e]![i]! - b),
            0,
          );
          return sum / weights[g]! + (c === e ? 1e-4 : 0);
        }),
      ),
    );
    this.mix = weights.map(
      (w, g) => w / weights.reduce((s, o, k) => (tissueOf(k) === tissueOf(g) ? s + o : s), 0),
    );
  }

  /** Each channel's field by weighted least squares over all its terms, summed voxel by voxel. */
  fitField(): void {
    const [nx, ny, nz] = this.input.shape;
    const cosine = (k: number, i: number, n: number): number => Math.cos((Math.PI * k * (i + 0.5)) / n);
    const terms: [number, number, number][] = [];
    for (let k = 0; k < 4; k++)
      for (let j = 0; j + k < 4; j++)
        for (let i = 0; i + j + k < 4; i++) if (i + j + k > 0) terms.push([i, j, k]);
    const basis = new Map(
      this.inside.map((at) => [
        at,
        terms.map(
          ([i, j, k]) =>
            cosine(i, at % nx, nx) *
            cosine(j, Math.floor(at / nx) % ny, ny) *
            cosine(k, Math.floor(at / (nx * ny)), nz),
        ),
      ]),
    );
    this.z = this.input.channels.map((raw, c) => {
      const matrix = terms.map(() => new Array<number>(terms.length + 1).fill(0));
      for (const at of this.inside) {
        let certainty = 0;
        let pull = 0;
        this.responsibility.forEach((r, g) => {
          const share = r[at]! / this.covariances[g]![c]![c]!;
          certainty += share;
          pull += share * this.means[g]![c]!;
        });
        const expected = pull / certainty;
        const weight = certainty * expected ** 2;
        const error = Math.log(raw[at]!) - Math.log(expected);
        const phi = basis.get(at)!;
        phi.forEach((a, row) => {
          phi.forEach((b, column) => {
            matrix[row]![column]! += weight * a * b;
          });
          matrix[row]![terms.length]! += weight * error * a;
        });
      }
      const trace = terms.reduce((sum, _, t) => sum + matrix[t]![t]!, 0);
      terms.forEach((_, t) => {
        matrix[t]![t]! += (1e-6 * trace) / terms.length;
      });
      const coefficients = gauss(matrix);
      const field = (at: number): number =>
        basis.get(at)!.reduce((sum, a, t) => sum + a * coefficients[t]!, 0);
      const mean = this.inside.reduce((sum, at) => sum + field(at), 0) / this.inside.length;
      const out = Float64Array.from(raw);
      for (const at of this.inside) out[at] = raw[at]! * Math.exp(mean - field(at));
      return out;
    });
  }

  expect(): void {
    const { shape, mask, beta, weights, logPriors } = this.input;
    const [nx, ny] = shape;
    const strides = [1, nx, nx * ny];
    const next = this.posterior.map((p) => new Float64Array(p.length));
    for (const at of this.inside) {
      const place = [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))];
      const energy = [0, 1, 2].map((t) => {
        let sum = 0;
        for (const axis of [0, 1, 2])
          for (const step of [-1, 1]) {
            const to = place[axis]! + step;
            const other = at + step * strides[axis]!;
            if (to >= 0 && to < shape[axis]! && mask[other] !== 0)
              sum += weights[axis]! * this.posterior[t]![other]!;
          }
        return beta * sum + (logPriors ? logPriors[t]![at]! : 0);
      });
      const logs = this.means.map((mean, g) => {
        const d = mean.map((m, c) => this.z[c]![at]! - m);
        const rows = this.covariances[g]!.map((row, c) => [...row, d[c]!]);
        const solved = gauss(rows);
        const square = d.reduce((sum, v, c) => sum + v * solved[c]!, 0);
        const logDet = Math.log(determinant(this.covariances[g]!));
        return Math.log(this.mix[g]!) - 0.5 * logDet - 0.5 * square + energy[tissueOf(g)]!;
      });
      const highest = Math.max(...logs);
      const total = logs.reduce((sum, v) => sum + Math.exp(v - highest), 0);
      logs.forEach((v, g) => {
        const share = Math.exp(v - highest) / total;
        this.responsibility[g]![at] = share;
        next[tissueOf(g)]![at]! += share;
      });
    }
    this.posterior = next;
  }

  /** `cut`: the intensity that is half white; `reach`: deviation of the similarity. Of the first channel. */
  refine(cut: number, contrast: number, reach: number): void {
    const { shape, mask, weights } = this.input;
    const [nx, ny] = shape;
    const strides = [1, nx, nx * ny];
    const z = this.z[0]!;
    for (const at of this.inside) {
      const place = [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))];
      let sum = 2 * z[at]!;
      let total = 2;
      for (const axis of [0, 1, 2])
        for (const step of [-1, 1]) {
          const to = place[axis]! + step;
          const other = at + step * strides[axis]!;
          if (to < 0 || to >= shape[axis]! || mask[other] === 0) continue;
          const weight = weights[axis]! * Math.exp(-((z[other]! - z[at]!) ** 2) / (2 * reach ** 2));
          sum += weight * z[other]!;
          total += weight;
        }
      const share = Math.min(1, Math.max(0, 0.5 + (sum / total - cut) / contrast));
      const rest = this.posterior[0]![at]! + this.posterior[1]![at]!;
      this.posterior[0]![at] = rest * (1 - share);
      this.posterior[1]![at] = rest * share;
    }
  }
}

/** Solves a system whose right side is the last column, by elimination with pivots. */
function gauss(rows: readonly (readonly number[])[]): number[] {
  const a = rows.map((row) => [...row]);
  const n = a.length;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let r = k + 1; r < n; r++) if (Math.abs(a[r]![k]!) > Math.abs(a[pivot]![k]!)) pivot = r;
    [a[k], a[pivot]] = [a[pivot]!, a[k]!];
    for (let r = k + 1; r < n; r++) {
      const factor = a[r]![k]! / a[k]![k]!;
      for (let c = k; c <= n; c++) a[r]![c]! -= factor * a[k]![c]!;
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let k = n - 1; k >= 0; k--) {
    let value = a[k]![n]!;
    for (let c = k + 1; c < n; c++) value -= a[k]![c]! * x[c]!;
    x[k] = value / a[k]![k]!;
  }
  return x;
}

/** By expansion along the first row: the matrices have at most four. */
function determinant(a: readonly (readonly number[])[]): number {
  if (a.length === 1) return a[0]![0]!;
  return a[0]!.reduce(
    (sum, v, c) =>
      sum + (c % 2 === 0 ? v : -v) * determinant(a.slice(1).map((row) => row.filter((_, k) => k !== c))),
    0,
  );
}
