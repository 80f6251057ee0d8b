import { StoppedError, VoxelgradError } from '../core/errors.ts';
import { printableJson } from '../core/json.ts';
import { writeError, writeOut } from '../platform/terminal.ts';
import { type Progress, type ProgressOptions, startProgress } from './progress.ts';
import { optionWords } from './settings.ts';

/** What a command prints: its result to stdout, as text or as one JSON object, and the rest to stderr. */
export class Output {
  readonly json: boolean;
  #current: Progress | undefined;

  constructor(json: boolean) {
    this.json = json;
  }

  /**
   * The command's result, once.
   * @param value what `--json` prints; numbers that are not finite become null.
   * @param text what a reader sees otherwise.
   */
  result(value: object, text: string): void {
    this.#current?.stop();
    writeOut(this.json ? `${printableJson(value)}\n` : `${text}\n`);
  }

  /** A line on stderr; a bar that is not full goes on below it. */
  note(text: string): void {
    if (this.#current) this.#current.note(text);
    else writeError(`${text}\n`);
  }

  /** A bar on a terminal, plain lines otherwise; one at a time. */
  progress(options: ProgressOptions): Progress {
    this.#current?.stop();
    this.#current = startProgress(options);
    return this.#current;
  }

  /** Leaves the bar's line, so that what follows starts on its own. */
  close(): void {
    this.#current?.stop();
  }
}

/** Exit code and lines of an error. */
export interface ErrorReport {
  /** 2 for wrong usage, 130 or 143 for a signal, 1 for any other failure. */
  readonly exitCode: number;
  /** `error: …`, `hint: …` and, if asked for, the stack. */
  readonly text: string;
  /** What `--json` prints instead of a result. */
  readonly json: {
    readonly error: { readonly code: string; readonly message: string; readonly hint?: string };
  };
}

/** What the command line adds to hints, by the code of the error. */
const FURTHER_HELP: Readonly<Record<string, string>> = {
  gpu: 'What the adapter offers: `voxelgrad doctor`.',
};

/** How the command line tells an error. */
export function reportError(error: unknown, debug: boolean): ErrorReport {
  const known = error instanceof VoxelgradError ? error : undefined;
  const code = known?.code ?? 'internal';
  const told = known?.tell(optionWords);
  const plain = oneLine(told?.message ?? (error instanceof Error ? error.message : String(error)));
  const message = known ? plain : `unexpected failure: ${plain}`;
  const hint = told
    ? [
        told.hint ?? (code === 'usage' ? 'Run the command with --help to see its options.' : undefined),
        FURTHER_HELP[code],
      ]
        .filter((part) => part !== undefined)
        .join(' ')
    : 'This is a defect of voxelgrad: run again with --debug and report what it prints.';
  const lines = [`error: ${message}`];
  if (hint) lines.push(`hint: ${oneLine(hint)}`);
  if (debug) lines.push(...stacks(error));
  return {
    exitCode: error instanceof StoppedError ? error.exitCode : code === 'usage' ? 2 : 1,
    text: `${lines.join('\n')}\n`,
    json: { error: { code, message, hint } },
  };
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim();
}

function stacks(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const own = error.stack ?? String(error);
  return error.cause === undefined ? [own] : [own, 'caused by:', ...stacks(error.cause)];
}
