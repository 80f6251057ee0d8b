import { availableParallelism, loadavg } from 'node:os';

/** Processor cores, and how many processes wanted one on average in the last minute (0 on Windows, which does not tell). */
export function machineLoad(): { readonly cores: number; readonly load: number } {
  return { cores: availableParallelism(), load: Number(loadavg()[0]!.toFixed(1)) };
}
