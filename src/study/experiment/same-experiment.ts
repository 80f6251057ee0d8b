import { CheckpointError, DatasetError } from '../../core/errors.ts';
import { canonicalJson, type Json, toJson } from '../../core/json.ts';
import { recordedChoices } from '../../imaging/dataset/choices.ts';
import type { Dataset } from '../../imaging/dataset/dataset.ts';
import type { ExperimentRecord } from '../report/experiment-record.ts';

/** Not compared: another version goes on, the same data may be reached by another path, and the rest follows. */
const LEFT_ASIDE = new Set(['version', 'notes', 'units', 'settings', 'dataset']);

/**
 * Refuses to go on with an experiment that is another one.
 * @param path how messages call the record
 * @throws CheckpointError naming every setting that differs, with both values.
 */
export function requireSameExperiment(recorded: ExperimentRecord, now: ExperimentRecord, path: string): void {
  const [before, after] = [flat(recorded), flat(now)];
  const names = [...new Set([...before.keys(), ...after.keys()])];
  const show = (value: Json | undefined): string => {
    const text = value === undefined ? 'absent' : canonicalJson(value);
    return text.length > 80 ? `${text.slice(0, 77)}...` : text;
  };
  const full = (value: Json | undefined): string => (value === undefined ? '' : canonicalJson(value));
  const different = names.filter((name) => full(before.get(name)) !== full(after.get(name)));
  if (different.length === 0) return;
  const list = different.map(
    (name) => `${name} was ${show(before.get(name))} and is ${show(after.get(name))}`,
  );
  throw new CheckpointError(`${path}: the experiment has other settings: ${list.join('; ')}`, {
    hint: 'Leave such options out: the experiment has them already. Variants, losses and seeds can be added to, not taken away. Else choose another folder.',
  });
}

/** Refuses to resume with a data set that lacks what was planned. @throws DatasetError naming the patients. */
export function requireSubjects({ dataset }: ExperimentRecord, now: Dataset, path: string): void {
  const missing = dataset.subjects.filter((id) => !now.subjects.some((subject) => subject.id === id));
  if (missing.length > 0)
    throw new DatasetError(`${now.name}: there is no subject ${missing.join(', ')}, which ${path} names`, {
      hint: `The experiment was planned on ${dataset.path}.`,
    });
  const [planned, chosen] = [dataset.choices, recordedChoices(now.choices)].map((choices) =>
    canonicalJson(toJson(choices ?? {})),
  );
  if (planned !== chosen)
    throw new CheckpointError(
      `${path}: the files of the data set were chosen by ${planned}, not by ${chosen}`,
      {
        hint: 'Leave these options out to resume, or start in a new folder.',
      },
    );
}

function flat(record: ExperimentRecord): Map<string, Json> {
  const { settings, dataset, ...rest } = toJson(record) as unknown as ExperimentRecord & Record<string, Json>;
  const top = Object.entries(rest).filter(([name]) => !LEFT_ASIDE.has(name));
  return new Map<string, Json>([
    ...(top as [string, Json][]),
    ['subjects', dataset.subjects],
    ...Object.entries(settings),
  ]);
}
