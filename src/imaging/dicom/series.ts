import { DatasetError, FileFormatError } from '../../core/errors.ts';
import { type Json, parseJson } from '../../core/json.ts';

/** A file that the converter made. */
export interface ConvertedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** dcm2niix: DICOM files and options to NIfTI files, JSON sidecars and what it said. */
export type DicomConverter = (
  files: readonly Uint8Array[],
  options: readonly string[],
) => Promise<{
  readonly files: readonly ConvertedFile[];
  readonly log: readonly string[];
  readonly status: number;
}>;

/** An image that was found among DICOM files. */
export interface DicomSeries {
  /** Number and description as the scanner gave them: `7 t2_flair_tra`. */
  readonly name: string;
  readonly number: number;
  /** Of its DICOM header; what tells patients apart. */
  readonly patient: string;
  readonly study: string;
  /** FLAIR, T1w, T2w or PDw as its header tells; undefined if it does not. */
  readonly modality: string | undefined;
  /** What dcm2niix wrote of the header (BIDS). */
  readonly sidecar: Readonly<Record<string, Json>>;
  /** NIfTI-1, not compressed. */
  readonly image: Uint8Array;
  /** Why it is not used; undefined if it may be. */
  readonly refused: string | undefined;
}

/** Options of dcm2niix: names by series, sidecars with names of patients (they stay in memory), no compression. */
const OPTIONS = ['-f', '%j_%s', '-b', 'y', '-ba', 'n', '-z', 'n', '-i', 'n'] as const;
/** Fewer slices are no head. */
const LEAST_SLICES = 6;
/** What dcm2niix says of a series that must not be used, and what that means. */
const FAULTS: readonly (readonly [says: RegExp, means: string])[] = [
  [/Missing images\?|Interslice distance varies/i, 'slices are missing, or not equally far apart'],
  [/gantry tilt/i, 'its slices are tilted against their axis (gantry tilt)'],
  [
    /Unsupported transfer syntax|Unable to (decode|read)|decompress/i,
    'its pixels are compressed in a way that cannot be read',
  ],
];

/**
 * Converts DICOM files and lists the series in them, by patient and number. None is left out: what cannot be used says why.
 *
 * @param files contents, in any order
 * @throws FileFormatError where the converter makes nothing of them
 */
export async function readSeries(
  convert: DicomConverter,
  files: readonly Uint8Array[],
): Promise<DicomSeries[]> {
  const done = await convert(files, OPTIONS);
  const notes = notesByName(done.log);
  const series = done.files
    .filter(({ name }) => name.endsWith('.nii'))
    .map(({ name, bytes }): DicomSeries => {
      const stem = name.slice(0, -'.nii'.length);
      const json = done.files.find((file) => file.name === `${stem}.json`);
      const sidecar = json ? (parseJson(new TextDecoder().decode(json.bytes)) as Record<string, Json>) : {};
      const description = String(sidecar.SeriesDescription ?? sidecar.ProtocolName ?? 'without a name');
      const number = Number(sidecar.SeriesNumber ?? 0);
      return {
        name: `${number} ${description}`,
        number,
        patient: String(sidecar.PatientID ?? sidecar.PatientName ?? ''),
        study: String(sidecar.StudyInstanceUID ?? ''),
        modality: modalityOf(sidecar, description),
        sidecar,
        image: bytes,
        refused: faultOf(bytes, sidecar, notes.get(stem) ?? []),
      };
    });
  if (series.length === 0)
    throw new FileFormatError(
      'DICOM',
      `dcm2niix made no image of ${files.length} files: ${done.log.slice(-3).join(' ')}`,
      {
        hint: 'Give all files of the series, as the scanner exported them.',
      },
    );
  return series.sort((a, b) =>
    a.patient < b.patient ? -1 : a.patient > b.patient ? 1 : a.number - b.number,
  );
}

/**
 * Chooses the FLAIR and the T1w of one patient, among series that may be used.
 *
 * @param wanted numbers of series by modality, for whom the headers do not tell or offer several
 * @throws DatasetError with the list of series, where they are of several patients, no or several series fit, or the wanted is refused
 */
export function chooseSeries(
  series: readonly DicomSeries[],
  wanted: ReadonlyMap<string, number> = new Map(),
): Map<string, DicomSeries> {
  const list = series.map((one) => `  ${describeSeries(one)}`).join('\n');
  const patients = [...new Set(series.map(({ patient }) => patient))];
  if (patients.length > 1)
    throw new DatasetError(`the files are of ${patients.length} patients:\n${list}`, {
      hint: 'Give the folder of one patient at a time.',
    });
  const chosen = new Map<string, DicomSeries>();
  for (const modality of ['FLAIR', 'T1w']) {
    const number = wanted.get(modality);
    const fitting = series.filter((one) =>
      number === undefined ? one.modality === modality && one.refused === undefined : one.number === number,
    );
    const [first] = fitting;
    if (first?.refused !== undefined)
      throw new DatasetError(`series ${first.name} cannot be used as ${modality}: ${first.refused}`);
    if (fitting.length > 1)
      throw new DatasetError(`${fitting.length} series may be the ${modality}:\n${list}`, {
        hint: `Choose one by its number.`,
      });
    if (number !== undefined && !first)
      throw new DatasetError(`there is no series ${number}; there are\n${list}`);
    if (first) chosen.set(modality, first);
  }
  if (!chosen.has('FLAIR'))
    throw new DatasetError(`no series is known to be a FLAIR that can be used:\n${list}`, {
      hint: 'Choose it by its number, or give the images as NIfTI files.',
    });
  return chosen;
}

/** `7 t2_flair_tra: FLAIR`, or why it is refused. */
export function describeSeries({ name, modality, refused, patient }: DicomSeries): string {
  return `${name} (patient ${patient || 'without a name'}): ${refused ? `not used, ${refused}` : (modality ?? 'contrast not known')}`;
}

/** What the converter said of each image: its lines come before the one that names the file. */
function notesByName(log: readonly string[]): Map<string, string[]> {
  const notes = new Map<string, string[]>();
  let lines: string[] = [];
  let last: string[] | undefined;
  for (const line of log) {
    const match = /^Convert \d+ DICOM as \S*\/(\S+) \(/.exec(line);
    if (match) {
      last = lines;
      notes.set(match[1]!, lines);
      lines = [];
    } else {
      lines.push(line);
      // A fault that is noticed while an image is written follows its line.
      if (/tilt/i.test(line)) last?.push(line);
    }
  }
  return notes;
}

function faultOf(
  image: Uint8Array,
  sidecar: Readonly<Record<string, Json>>,
  notes: readonly string[],
): string | undefined {
  const { Modality, ImageType } = sidecar;
  if (Modality !== undefined && Modality !== 'MR') return `it is ${String(Modality)}, not MR`;
  if (Array.isArray(ImageType) && ImageType.some((type) => /^LOCALIZER$/i.test(String(type))))
    return 'it is a localiser';
  if (Array.isArray(ImageType) && ImageType.some((type) => /PROJECTION|MIP/i.test(String(type))))
    return 'it is a projection of other images';
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const [dimensions, slices, times] = [
    view.getInt16(40, true),
    view.getInt16(46, true),
    view.getInt16(48, true),
  ];
  if (dimensions > 3 && times > 1) return `it holds ${times} images of each slice`;
  if (dimensions < 3 || slices < LEAST_SLICES)
    return `it has ${Math.max(1, slices)} slices, which is not a volume`;
  return FAULTS.find(([says]) => notes.some((note) => says.test(note)))?.[1];
}

/** By the name that scanners' operators give, then by dcm2niix's own guess. */
function modalityOf(sidecar: Readonly<Record<string, Json>>, description: string): string | undefined {
  const guess = Array.isArray(sidecar.BidsGuess) ? String(sidecar.BidsGuess[1] ?? '') : '';
  for (const text of [description.toLowerCase(), guess.toLowerCase()]) {
    if (/flair|dark.?fluid/.test(text)) return 'FLAIR';
    if (/(^|[^a-z0-9])t1|mp-?rage|mpr(_|$)|bravo|tfl3d/.test(text)) return 'T1w';
    if (/(^|[^a-z0-9])t2/.test(text)) return 'T2w';
    if (/(^|[^a-z0-9])pd/.test(text)) return 'PDw';
  }
  return undefined;
}
