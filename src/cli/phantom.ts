import { StorageError, UsageError } from '../core/errors.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { writePhantomDataset } from '../study/phantom/index.ts';
import { type Command, command } from './command.ts';

export const phantom: Command = command({
  name: 'phantom',
  description: 'Write phantom brain scans with lesions, two raters and tissue maps, in the ISBI 2015 layout',
  args: {
    out: { type: 'positional', description: 'Folder to write; made where there is none' },
    subjects: { type: 'string', valueHint: 'N', description: 'Patients, 1 to 99 (default 5)' },
    visits: { type: 'string', valueHint: 'N', description: 'Visits of each patient, 1 to 99 (default 1)' },
    shape: { type: 'string', valueHint: 'X,Y,Z', description: 'Voxels along each axis (default 91,109,91)' },
    spacing: { type: 'string', valueHint: 'MM', description: 'Edge of a voxel in mm, or three (default 2)' },
    overwrite: { type: 'boolean', description: 'Write into a folder that holds a data set already' },
  },
  examples: [
    { line: 'phantom ./phantoms', does: 'five patients at 2 mm' },
    { line: 'phantom ./phantoms --subjects 2 --visits 4 --seed 7', does: 'two patients, four visits each' },
    { line: 'phantom ./tiny --shape 32,40,32 --spacing 5', does: 'small images for a quick test' },
  ],
  async run(options, output) {
    const out = options.required('out');
    const settings = {
      seed: options.seed(),
      subjects: options.integer('subjects', { min: 1, max: 99 }) ?? 5,
      visits: options.integer('visits', { min: 1, max: 99 }) ?? 1,
      shape:
        three(options.numbers('shape', { min: 16, max: 1024 }), 'shape', false) ?? ([91, 109, 91] as const),
      spacing:
        three(options.numbers('spacing', { above: 0, max: 20 }), 'spacing', true) ?? ([2, 2, 2] as const),
    };
    const folder = new NodeFolder(out);
    await folder.checkWritable();
    if (!options.flag('overwrite') && (await folder.list('training')).length > 0)
      throw new StorageError(`${out}: there is a data set already (training/)`, {
        hint: 'Choose another folder, or add --overwrite.',
      });
    const bar = output.progress({
      label: 'phantoms',
      total: settings.subjects * settings.visits,
      unit: 'scan',
    });
    const scans = await writePhantomDataset(folder, settings, ({ done, scan }) => bar.update(done, scan));
    const total = scans.reduce((sum, scan) => sum + scan.lesionMl, 0);
    output.result(
      {
        dataset: out,
        ...settings,
        scans: scans.map(({ subject, visit, lesionMl, files }) => ({
          subject,
          session: visit,
          lesionMl: Number(lesionMl.toFixed(3)),
          files,
        })),
      },
      `${out}: ${scans.length} ${scans.length === 1 ? 'scan' : 'scans'} with ${total.toFixed(1)} ml of lesions in all`,
    );
  },
});

/** Three numbers, or one for all three. */
function three(
  values: readonly number[] | undefined,
  name: string,
  oneIsEnough: boolean,
): readonly [number, number, number] | undefined {
  if (!values) return undefined;
  const [x, y, z] = values;
  if (oneIsEnough && values.length === 1) return [x!, x!, x!];
  if (values.length === 3) return [x!, y!, z!];
  throw new UsageError(
    `--${name} takes ${oneIsEnough ? 'one number or three' : 'three numbers'}, not ${values.length}`,
  );
}
