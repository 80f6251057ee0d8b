/** A logarithmic axis of a plot. */
export interface LogAxis {
  readonly low: number;
  readonly high: number;
  place(value: number): number;
}

/** Whole powers of ten around the values; one at least on either side of them. `from` and `to` are coordinates. */
export function logAxis(low: number, high: number, from: number, to: number): LogAxis {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const span = Math.max(1, last - first);
  return {
    low: 10 ** first,
    high: 10 ** (first + span),
    place: (value) => from + ((Math.log10(value) - first) / span) * (to - from),
  };
}

/** 1, 2 and 5 times each power of ten on the axis. */
export function ticksOf({ low, high }: LogAxis): number[] {
  const ticks: number[] = [];
  for (let t = low; t <= high * 1.001; t *= 10)
    for (const m of [1, 2, 5]) if (m * t <= high * 1.001) ticks.push(Number((m * t).toPrecision(3)));
  return ticks;
}

/** A coordinate as SVG takes it: a tenth of a pixel is fine enough. */
export function coordinate(value: number): string {
  return value.toFixed(1);
}
