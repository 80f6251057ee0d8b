/** `40 s`, `2 min`. */
export function formatLeft(seconds: number): string {
  const whole = Math.max(1, Math.ceil(seconds));
  return whole < 90 ? `${whole} s` : `${Math.ceil(whole / 60)} min`;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Mean loss of so many steps is one point of the curve, so that single patches do not hide the course. */
export function smoothed(losses: readonly number[], points = 60): number[] {
  const width = Math.max(1, Math.ceil(losses.length / points));
  const out: number[] = [];
  for (let i = 0; i < losses.length; i += width) out.push(mean(losses.slice(i, i + width)));
  return out;
}
