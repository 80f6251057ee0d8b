/** How reports call a variant; one that they do not know keeps its name. */
export function variantLabel(variant: string): string {
  const labels: Readonly<Record<string, string>> = {
    single: 'Single',
    'multi-input': 'Multi-input',
    'multi-output': 'Multi-output',
    'cross-stitch': 'Cross-stitch',
    soft: 'Soft',
    sluice: 'Sluice',
  };
  return labels[variant] ?? variant;
}

/** `48 s`, `6 min 12 s`, `1 h 05 min`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}

/** Text and numbers as they are, lists with commas, anything deeper as JSON. */
export function formatSetting(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(formatSetting).join(', ');
  return JSON.stringify(value) ?? 'not set';
}

/** Two significant digits of the distance to the nearer end: .5 is 0.50, 1 - 1.2e-5 is 0.999988. */
export function formatThreshold(threshold: number): string {
  const tail = Math.min(threshold, 1 - threshold);
  return tail > 0 ? threshold.toFixed(Math.max(2, 1 - Math.floor(Math.log10(tail)))) : String(threshold);
}
