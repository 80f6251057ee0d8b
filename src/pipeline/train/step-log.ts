import { z } from 'zod/mini';
import { FileFormatError, VerificationError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import { parseJson } from '../../core/json.ts';
import { setting, worded } from '../../core/wording.ts';
import type { StepReport } from './request.ts';

const LINE = z.object({
  step: z.int().check(z.minimum(1)),
  epoch: z.int().check(z.minimum(1)),
  loss: z.number(),
  seconds: z.number(),
  lossScale: z.optional(z.number()),
  skipped: z.optional(z.literal(true)),
  taskWeights: z.optional(z.record(z.string(), z.number())),
  validation: z.optional(z.object({ dice: z.record(z.string(), z.number()), error: z.optional(z.number()) })),
  hash: z.optional(z.string()),
});

/** A line of `log.jsonl`. */
export function formatStep({ step, epoch, loss, seconds, ...rest }: StepReport): string {
  return `${JSON.stringify({ step, epoch, loss, seconds: Number(seconds.toFixed(3)), ...rest })}\n`;
}

/**
 * Reads `log.jsonl`.
 * @param path how messages call it
 * @returns the lines, and whether the last one was cut off by a process that ended while it wrote (it is left out)
 * @throws FileFormatError for a line that is no step, or not the one that is next.
 */
export function parseLog(
  bytes: Uint8Array,
  path: string,
): { readonly steps: StepReport[]; readonly cut: boolean } {
  const lines = new TextDecoder().decode(bytes).split('\n');
  const cut = lines.pop() !== '';
  const steps = lines.map((line, i): StepReport => {
    const refuse = (why: string): FileFormatError =>
      new FileFormatError(path, `line ${i + 1} ${why}`, { hint: 'The log is damaged.' });
    let value: unknown;
    try {
      value = parseJson(line);
    } catch {
      throw refuse('is not JSON');
    }
    const parsed = LINE.safeParse(value);
    if (!parsed.success) throw refuse(`holds no step: ${parsed.error.issues[0]?.message}`);
    const report = parsed.data;
    if (report.step !== i + 1) throw refuse(`is step ${report.step}; step ${i + 1} is next`);
    return report;
  });
  return { steps, cut };
}

/**
 * Cuts `log.jsonl` back to the steps that a checkpoint holds.
 * @throws FileFormatError where it ends before that step or is damaged; StorageError.
 */
export async function rewindLog(files: FileStore, name: string, step: number): Promise<StepReport[]> {
  const path = `${files.name}/${name}`;
  const lines = new TextDecoder().decode(await files.read(name)).split('\n');
  const kept = new TextEncoder().encode(
    lines
      .slice(0, step)
      .map((line) => `${line}\n`)
      .join(''),
  );
  const { steps } = parseLog(kept, path);
  if (steps.length < step)
    throw new FileFormatError(path, `ends at step ${steps.length}, before the checkpoint's ${step}`, {
      hint: worded`The log is damaged: start the run anew, with ${setting('overwrite', true)}.`,
    });
  await files.write(name, kept);
  return steps;
}

/**
 * Compares a step with what an earlier log says of it: the loss, and the hash where both have one.
 * @throws VerificationError naming the step and both values, or that the log ends before it.
 */
export function verifyStep(report: StepReport, log: readonly StepReport[], path: string): void {
  const { step, loss, hash } = report;
  const old = log[step - 1];
  const differ = (what: string, before: unknown, now: unknown): VerificationError =>
    new VerificationError(`step ${step}: the ${what} is ${String(now)}, but ${path} says ${String(before)}`, {
      hint: 'Compare settings, data, adapter and version of the two runs (config.json).',
    });
  if (!old) throw new VerificationError(`step ${step}: ${path} ends at step ${log.length}`);
  if (!Object.is(old.loss, loss)) throw differ('loss', old.loss, loss);
  if (old.hash !== undefined && hash !== undefined && old.hash !== hash)
    throw differ('hash of the state', old.hash, hash);
}
