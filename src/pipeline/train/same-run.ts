import { CheckpointError, UsageError } from '../../core/errors.ts';
import { sha256OfArrays } from '../../core/hash.ts';
import { canonicalJson, type Json, toJson } from '../../core/json.ts';
import { scanName } from '../../imaging/dataset/dataset.ts';
import type { PreparedScan } from '../../imaging/dataset/preprocess.ts';
import { type DURATIONS, type TrainSettings, trainSettings } from './settings.ts';

const HINT = 'Resume with the settings and data of the run, or start a new one in another folder.';

/** A prepared scan never changes, and sessions come and go with devices. */
const prints: WeakMap<PreparedScan, Promise<string>> = new WeakMap();

/**
 * SHA-256 of what is trained on, by scan: every voxel as it is uploaded, so that a change of the files and one of
 * their preparation both show.
 */
export async function dataFingerprint(scans: readonly PreparedScan[]): Promise<Record<string, string>> {
  const entries: [string, string][] = [];
  for (const scan of scans) {
    const print = prints.get(scan) ?? scanPrint(scan);
    prints.set(scan, print);
    entries.push([scanName(scan), await print]);
  }
  return Object.fromEntries(entries);
}

async function scanPrint({ shape, input, brain, targets, maps }: PreparedScan): Promise<string> {
  const arrays: [string, ArrayBufferView][] = [
    ['shape', Int32Array.from(shape)],
    ['input', input],
    ['brain', brain],
  ];
  // In the plural, as runs before tasks had names recorded them.
  for (const [name, { data, value }] of targets ?? [])
    arrays.push([`${name}s`, value === undefined ? data : Float64Array.of(value)]);
  if (maps) arrays.push([`${maps.name}s`, maps.data]);
  return await sha256OfArrays(arrays);
}

/**
 * Refuses to resume with other settings.
 * @param free settings that may differ
 * @throws CheckpointError naming each with both values.
 */
export function requireSameSettings(
  recorded: Json,
  now: TrainSettings,
  path: string,
  free: readonly string[] = [],
): void {
  const before = current(recorded);
  const after = toJson(now) as { readonly [key: string]: Json };
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const show = (value: Json | undefined): string => (value === undefined ? 'absent' : canonicalJson(value));
  const different = names.filter((name) => !free.includes(name) && show(before[name]) !== show(after[name]));
  if (different.length === 0) return;
  const list = different.map((name) => `${name} was ${show(before[name])} and is ${show(after[name])}`);
  throw new CheckpointError(`${path}: the run has other settings: ${list.join('; ')}`, { hint: HINT });
}

/** How long a run lasts: one of these is not null. */
export type RunLength = Pick<TrainSettings, (typeof DURATIONS)[number]>;

/** What of settings says how long. */
export function lengthOf({ epochs, steps, minutes }: RunLength): RunLength {
  return { epochs, steps, minutes };
}

/** Whether two settings mean the same number of steps or minutes. */
export function isSameLength(a: TrainSettings, b: TrainSettings): boolean {
  return stepsOf(a) === stepsOf(b) && a.minutes === b.minutes;
}

/**
 * Refuses to resume a run for less than it was to do, or than it has done.
 * @param done what it has done so far
 * @throws CheckpointError with both lengths.
 */
export function requireLonger(
  recorded: TrainSettings,
  now: TrainSettings,
  done: { readonly steps: number; readonly seconds: number },
  path: string,
): void {
  const [before, steps] = [stepsOf(recorded), stepsOf(now)];
  const faults: string[] = [];
  const least = Math.max(done.steps, before ?? 0);
  if (steps !== null && steps < least) faults.push(`${steps} steps are less than its ${least}`);
  const minutes = Math.max(done.seconds / 60, recorded.minutes ?? 0);
  if (now.minutes !== null && now.minutes < minutes)
    faults.push(`${now.minutes} minutes are less than its ${Number(minutes.toPrecision(3))}`);
  if (faults.length > 0)
    throw new CheckpointError(`${path}: a run can be made longer, not shorter: ${faults.join(', ')}`, {
      hint: 'Leave out how long it is to be, ask for more, or start a new run in another folder.',
    });
}

function stepsOf({ steps, epochs, stepsPerEpoch }: TrainSettings): number | null {
  return steps ?? (epochs === null ? null : epochs * stepsPerEpoch);
}

/**
 * Refuses to resume with other data.
 * @param how what was done with the scans
 * @throws CheckpointError naming the scans.
 */
export function requireSameData(
  recorded: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
  path: string,
  how = 'trained',
): void {
  const before = Object.keys(recorded);
  const after = Object.keys(now);
  const faults = [
    ...after.filter((name) => !(name in recorded)).map((name) => `${name} is new`),
    ...before.filter((name) => !(name in now)).map((name) => `${name} is missing`),
    ...before.filter((name) => name in now && now[name] !== recorded[name]).map((name) => `${name} differs`),
  ];
  if (faults.length > 0)
    throw new CheckpointError(`${path}: the run was ${how} on other data: ${faults.join(', ')}`, {
      hint: HINT,
    });
}

/** Refuses to resume with another network to begin from, known by its hash. @throws CheckpointError. */
export function requireSameStart(recorded: string | undefined, now: string | undefined, path: string): void {
  if (recorded === now) return;
  const show = (hash: string | undefined): string =>
    hash === undefined ? 'weights that the seed draws' : `the weights ${hash.slice(0, 12)}…`;
  throw new CheckpointError(`${path}: the run began from ${show(recorded)}, not from ${show(now)}`, {
    hint: HINT,
  });
}

/** Recorded settings under the names, and with the defaults, that settings have now. */
function current(recorded: Json): { readonly [key: string]: Json } {
  if (!isRecord(recorded)) return {};
  try {
    return toJson(trainSettings(recorded)) as { readonly [key: string]: Json };
  } catch (error) {
    // What no run has now is told as a difference.
    if (error instanceof UsageError) return recorded;
    throw error;
  }
}

function isRecord(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
