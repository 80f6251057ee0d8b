/** Bins of a histogram of logarithms. */
const BINS = 200;
/** Bins of the transform: zeros on both sides keep the ends apart. */
const PADDED = 512;
const OFFSET = (PADDED - BINS) / 2;
/** Full width at half maximum of the field's spread of logarithms, and the noise of the Wiener filter: N4's. */
const WIDTH = 0.15;
const NOISE = 0.01;

/**
 * What each logarithm of an intensity would be without a field, as far as the histogram tells: it is sharpened by taking a Gaussian out of it
 * (Wiener deconvolution), and a value's expectation under the sharp one is returned (Sled, Zijdenbos and Evans 1998, as N4 has it).
 *
 * @param logs logarithms of intensities
 * @returns as many expectations
 */
export function sharpened(logs: Float64Array): Float64Array {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const v of logs) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  if (!(high > low)) return logs.slice();
  const width = (high - low) / (BINS - 1);
  const histogram = new Float64Array(PADDED);
  for (const v of logs) {
    const at = (v - low) / width;
    const bin = Math.min(BINS - 2, Math.floor(at));
    histogram[OFFSET + bin]! += 1 - (at - bin);
    histogram[OFFSET + bin + 1]! += at - bin;
  }
  const blur = gaussianSpectrum(WIDTH / width);
  const spectrum = transform(histogram, new Float64Array(PADDED), -1);
  const filtered = spectrum.map((part) => part.map((v, k) => (v * blur[k]!) / (blur[k]! ** 2 + NOISE)));
  const sharp = transform(filtered[0]!, filtered[1]!, 1)[0]!.map((v) => Math.max(0, v / PADDED));
  const centre = (bin: number): number => low + (bin - OFFSET) * width;
  const above = convolved(
    sharp.map((v, i) => v * centre(i)),
    blur,
  );
  const below = convolved(sharp, blur);
  const expected = Float64Array.from({ length: BINS }, (_, bin) => {
    const at = OFFSET + bin;
    return below[at]! > 1e-9 ? above[at]! / below[at]! : centre(at);
  });
  return logs.map((v) => {
    const at = (v - low) / width;
    const bin = Math.min(BINS - 2, Math.floor(at));
    return expected[bin]! + (expected[bin + 1]! - expected[bin]!) * (at - bin);
  });
}

/** Fourier transform of a Gaussian of sum 1 about bin 0, which is real. @param fullWidth in bins */
function gaussianSpectrum(fullWidth: number): Float64Array {
  const deviation = fullWidth / Math.sqrt(8 * Math.log(2));
  return Float64Array.from({ length: PADDED }, (_, k) => {
    const frequency = (2 * Math.PI * Math.min(k, PADDED - k)) / PADDED;
    return Math.exp(-0.5 * (frequency * deviation) ** 2);
  });
}

function convolved(values: Float64Array, spectrum: Float64Array): Float64Array {
  const parts = transform(values, new Float64Array(PADDED), -1).map((part) =>
    part.map((v, k) => v * spectrum[k]!),
  );
  return transform(parts[0]!, parts[1]!, 1)[0]!.map((v) => v / PADDED);
}

/** Discrete Fourier transform (radix 2, in place on copies). @param sign -1 forward, 1 back without the division */
function transform(real: Float64Array, imaginary: Float64Array, sign: 1 | -1): [Float64Array, Float64Array] {
  const n = real.length;
  const bits = Math.log2(n);
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let j = 0;
    for (let b = 0; b < bits; b++) if (i & (1 << b)) j |= 1 << (bits - 1 - b);
    re[j] = real[i]!;
    im[j] = imaginary[i]!;
  }
  for (let size = 2; size <= n; size *= 2)
    for (let first = 0; first < n; first += size)
      for (let k = 0; k < size / 2; k++) {
        const angle = (sign * 2 * Math.PI * k) / size;
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        const [a, b] = [first + k, first + k + size / 2];
        const [x, y] = [re[b]! * c - im[b]! * s, re[b]! * s + im[b]! * c];
        re[b] = re[a]! - x;
        im[b] = im[a]! - y;
        re[a]! += x;
        im[a]! += y;
      }
  return [re, im];
}
