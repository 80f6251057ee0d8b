import { GpuError } from '../core/errors.ts';
import { setting, worded } from '../core/wording.ts';

/** An adapter that Dawn found. */
export interface AdapterEntry {
  readonly backend: string;
  readonly name: string;
}

/** A name that no adapter has: asked for it, Dawn refuses and lists those that there are. */
export const NO_ADAPTER = 'none of these, list them';

/** The adapters that Dawn lists where it refuses a name, in its order. */
export function parseAdapters(message: string): AdapterEntry[] {
  return [...message.matchAll(/^ \* backend: '([^']*)', name: '(.*)'$/gm)].map(([, backend, name]) => ({
    backend: backend!,
    name: name!,
  }));
}

/** `0: NVIDIA H100 (vulkan)`. */
export function describeAdapters(adapters: readonly AdapterEntry[]): string {
  return adapters.map(({ name, backend }, i) => `${i}: ${name} (${backend})`).join('; ');
}

/**
 * The adapter that is meant by its place in the list or by a part of its name.
 * @throws GpuError where there is none, where a name fits several of different names, or where the adapter has the name of an
 *   earlier one: Dawn finds adapters by name, and would open that one
 */
export function chooseAdapter(adapters: readonly AdapterEntry[], wanted: string): AdapterEntry {
  const list = `there are ${describeAdapters(adapters) || 'none'}`;
  const hint = worded`Give one of their numbers or a part of a name, such as ${setting('adapter', 0)}.`;
  const byNumber = /^\d+$/.test(wanted);
  const fitting = adapters.filter(({ name }, i) =>
    byNumber ? i === Number(wanted) : name.toLowerCase().includes(wanted.toLowerCase()),
  );
  const [found] = fitting;
  if (!found) throw new GpuError(`no adapter is called ${JSON.stringify(wanted)}; ${list}`, { hint });
  if (fitting.some(({ name }) => name !== found.name))
    throw new GpuError(`${JSON.stringify(wanted)} fits several adapters; ${list}`, { hint });
  // Dawn takes the first adapter whose name contains what it is asked for.
  const opened = adapters.find(({ name }) => name.includes(found.name))!;
  if (opened !== found)
    throw new GpuError(
      `adapter ${wanted} cannot be told from ${JSON.stringify(opened.name)}, which comes first; ${list}`,
      {
        hint: 'Hide the others from the process: a Slurm job for one GPU sees its own card alone where the cluster constrains devices, and so does a container that is given one card.',
      },
    );
  return found;
}

/** Whether a scheduler gave this process some of the machine's GPUs. */
export function isAssigned(environment: Readonly<Record<string, string | undefined>> = process.env): boolean {
  return Boolean(environment.SLURM_JOB_GPUS ?? environment.SLURM_STEP_GPUS);
}

/** Makes an adapter the one that this process, and those that it starts, open unless they are told otherwise. */
export function preferAdapter(wanted: string): void {
  process.env.VOXELGRAD_ADAPTER = wanted;
}

/**
 * What to know before identical cards are used in a batch job: the scheduler gave the job some of them by number, and
 * WebGPU knows no numbers.
 * @returns undefined if the GPU is the one that the job was given, or no job was given one
 */
export function assignmentWarning(
  adapters: readonly AdapterEntry[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  const given = environment.SLURM_JOB_GPUS ?? environment.SLURM_STEP_GPUS;
  if (!given) return undefined;
  const same = adapters.filter(({ name }) => name === adapters[0]!.name).length;
  if (same < 2) return undefined;
  return (
    `warning: Slurm gave this job GPU ${given}, but the process sees ${same} cards of the name ${adapters[0]!.name} and ` +
    'takes the first: WebGPU cannot tell which is which. Ask the administrator for ConstrainDevices=yes in cgroup.conf.'
  );
}
