import { StorageError, UsageError } from '../core/errors.ts';
import { scanName } from '../imaging/dataset/dataset.ts';
import { describeInputs } from '../imaging/dataset/inputs.ts';
import { predict as predictScans } from '../pipeline/predict/run.ts';
import { hasFile } from '../pipeline/train/run-record.ts';
import { NodeFolder } from '../platform/node-files.ts';
import {
  foreignNames,
  requireTeam,
  SubmissionSink,
  submissionName,
  submissionRecord,
  submissionScans,
  TEST_SCANS,
} from '../study/submission.ts';
import { tissueProvider } from '../study/tissue-provider.ts';
import { type Command, command } from './command.ts';
import { GPU_ARGS } from './common.ts';
import { LastingGpu } from './lasting-gpu.ts';
import { OVERWRITE_ARG } from './own-folder.ts';
import { noteSpacing, openPrediction, PREDICTION_ARGS, requireModelInputs } from './prediction-inputs.ts';
import { predictionKernels } from './prediction-kernels.ts';

export const submission: Command = command({
  name: 'submission',
  description: 'Segment the test set of the ISBI 2015 challenge, named and stored as it wants the masks',
  args: {
    ...GPU_ARGS,
    run: PREDICTION_ARGS.run,
    dataset: { type: 'positional', description: 'Folder of the challenge that holds the test subjects' },
    out: { type: 'positional', description: 'Folder for the masks: test01_01_TEAM.nii, ...' },
    team: { type: 'string', valueHint: 'NAME', description: 'Name of your team (required)' },
    subjects: { type: 'string', valueHint: 'ID,ID', description: 'Whom to segment (default: the test set)' },
    threshold: PREDICTION_ARGS.threshold,
    overlap: PREDICTION_ARGS.overlap,
    mirror: PREDICTION_ARGS.mirror,
    tile: PREDICTION_ARGS.tile,
    memory: PREDICTION_ARGS.memory,
    precision: PREDICTION_ARGS.precision,
    maps: PREDICTION_ARGS.maps,
    'make-tissues': PREDICTION_ARGS['make-tissues'],
    'no-resample': PREDICTION_ARGS['no-resample'],
    brainmask: PREDICTION_ARGS.brainmask,
    'bids-filter': PREDICTION_ARGS['bids-filter'],
    'trust-brain': PREDICTION_ARGS['trust-brain'],
    overwrite: OVERWRITE_ARG,
  },
  examples: [
    { line: 'submission ./run ./isbi ./masks --team voxelgrad', does: 'all 61 scans of the test set' },
    {
      line: 'submission ./run ./isbi ./masks --team voxelgrad --subjects test01',
      does: 'one patient, to look at',
    },
  ],
  async run(options, output) {
    options.seed();
    const team = options.text('team');
    if (team === undefined)
      throw new UsageError('--team is missing', { hint: 'The masks will be called test01_01_TEAM.nii.' });
    requireTeam(team);
    const inputs = await openPrediction(options, output);
    const scans = submissionScans(inputs.dataset, options.list('subjects'));
    requireModelInputs(scans, inputs, output);
    const out = new NodeFolder(options.required('out'));
    await out.checkWritable();
    await out.tidy();
    const names = (await out.list('')).map(({ name }) => name);
    const foreign = foreignNames(names, team);
    if (foreign.length > 0)
      throw new StorageError(
        `${out.name}: holds files that are not masks of team ${team} (${foreign.slice(0, 3).join(', ')})`,
        { hint: 'Choose a new folder: everything in it is handed in.' },
      );
    const there = scans.map((scan) => submissionName(scan, team)).filter((name) => names.includes(name));
    if (there.length > 0 && !options.flag('overwrite'))
      throw new StorageError(`${out.name}: holds ${there.slice(0, 3).join(', ')} already`, {
        hint: 'Choose another folder, name other scans with --subjects, or add --overwrite to replace them.',
      });
    const { parent: beside, name: folder } = out.place();
    const recordName = `${folder}.provenance.json`;
    const recorded = (await hasFile(beside, recordName)) ? await beside.read(recordName) : undefined;
    // A file of somebody else is told before anything is predicted.
    submissionRecord(new Map(), recorded, recordName);
    output.note(describeInputs(inputs.dataset, scans, { modalities: inputs.model.info.task.channels }));
    if (scans.length !== TEST_SCANS)
      output.note(`note: ${scans.length} scans; the challenge's test set has ${TEST_SCANS}`);
    const device = await LastingGpu.open(output, 'the last tiles that were saved');
    try {
      const bar = output.progress({ label: 'predicting', total: scans.length, unit: 'scan' });
      const kernels = await predictionKernels(inputs.run, device.gpu.capabilities);
      const { stageOne, resample } = inputs;
      const sink = new SubmissionSink(out, scans, team, async (described) => {
        await beside.write(recordName, submissionRecord(described, recorded, recordName));
      });
      const predicted = await predictScans(device.gpu, {
        ...inputs,
        kernels,
        provider: tissueProvider(stageOne, { resample, kernels }),
        reopen: device.reopen,
        scans,
        out: sink,
        onSpacing: (scan, change) => noteSpacing(scan, change, inputs, output),
        onScan: (_, done) => {
          for (const warning of done.warnings) output.note(`warning: ${scanName(done)}: ${warning}`);
        },
        onTile: (done, total, scan) => bar.update(scans.indexOf(scan) + done / total, scanName(scan)),
      });
      const masks = predicted.map((scan) => `${out.name}/${submissionName(scan, team)}`);
      output.result(
        {
          team,
          masks,
          complete: scans.length === TEST_SCANS,
          provenance: `${beside.name}/${recordName}`,
        },
        `${masks.length} masks in ${out.name}: ${submissionName(predicted[0]!, team)}, ...\nwhere they come from: ${beside.name}/${recordName}, which is not handed in`,
      );
    } finally {
      await device.close();
    }
  },
});
