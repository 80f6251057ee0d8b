import { allAugmentations } from '../pipeline/augment/index.ts';
import { SETTING_ENTRIES, settingEntries } from '../pipeline/train/settings.ts';
import { GPU_ARGS, SHARED_ARGS } from './common.ts';
import { DATASET_ARGS } from './dataset-options.ts';

/** Settings that say what is learned, by what network and how long; the other settings of training follow them. */
const LEARNED = ['preset', 'task', 'recipe', 'network', 'network-config', 'epochs', 'steps', 'minutes'];

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Titles of option groups in the order of help texts, and whether an option belongs there; the first that fits wins. */
function groups(): readonly (readonly [string, (option: string) => boolean])[] {
  const among = (names: Iterable<string>): ((option: string) => boolean) => {
    const known = new Set(names);
    return (option) => known.has(option);
  };
  const augmentations = allAugmentations().flatMap(({ schema }) => Object.keys(schema.shape));
  const ofLosses = Object.keys(settingEntries()).filter((name) => !Object.hasOwn(SETTING_ENTRIES, name));
  return [
    ['Every command', among(Object.keys(SHARED_ARGS))],
    ['Which files', among([...Object.keys(DATASET_ARGS), 'subjects', 'modalities', 'maps'])],
    ['The machine', among([...Object.keys(GPU_ARGS), 'memory'])],
    ['Augmentation', among(['augment', ...augmentations.map(kebab)])],
    ['Loss', among(['loss', ...ofLosses.map(kebab)])],
    ['What is learned', among(LEARNED)],
    ['Training', among(Object.keys(SETTING_ENTRIES).map(kebab))],
  ];
}

/** The order in which help texts show groups. */
const ORDER = [
  'What is learned',
  'Options',
  'Which files',
  'Training',
  'Loss',
  'Augmentation',
  'The machine',
  'Every command',
];

/**
 * Options in groups with titles. A command with few options has one group of its own and one that all commands share.
 *
 * @param names of a command's options
 */
export function groupOptions(names: readonly string[]): Map<string, string[]> {
  const known = groups();
  const titles = new Map(
    names.map((name) => [name, known.find(([, holds]) => holds(name))?.[0] ?? 'Options'] as const),
  );
  // Groups help to find one of many.
  if (names.length < 20)
    for (const [name, title] of titles) if (title !== 'Every command') titles.set(name, 'Options');
  return new Map(
    ORDER.map((title) => [title, names.filter((name) => titles.get(name) === title)] as const).filter(
      ([, members]) => members.length > 0,
    ),
  );
}
