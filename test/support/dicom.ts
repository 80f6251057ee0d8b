/** An image as a scanner would send it: one file per slice, little endian, explicit value representations. */
export interface DicomImage {
  /** [columns, rows, slices] */
  readonly shape: readonly [number, number, number];
  /** Voxel to mm, LPS+ (DICOM's world), column-major. */
  readonly affine: ArrayLike<number>;
  readonly data: Uint16Array;
  readonly patient?: string;
  readonly description?: string;
  readonly series?: number;
  /** `MR` unless it is something else. */
  readonly modality?: string;
  readonly imageType?: string;
  /** Degrees; a CT's. */
  readonly tilt?: number;
}

type Element = readonly [group: number, element: number, vr: string, value: string | Uint8Array | number];

const MR_STORAGE = '1.2.840.10008.5.1.4.1.1.4';
const EXPLICIT_LITTLE = '1.2.840.10008.1.2.1';

/** The files of a series. */
export function makeDicom(image: DicomImage): Uint8Array[] {
  const [columns, rows, slices] = image.shape;
  const { affine, series = 1, patient = 'A' } = image;
  const column = (c: number): number[] => [0, 1, 2].map((r) => affine[c * 4 + r]!);
  const spacing = [0, 1, 2].map((c) => Math.hypot(...column(c)));
  const direction = (c: number): number[] => column(c).map((v) => v / spacing[c]!);
  const uid = `1.2.3.${patient.charCodeAt(0)}.${series}`;
  return Array.from({ length: slices }, (_, k) => {
    const position = [0, 1, 2].map((r) => affine[12 + r]! + k * affine[8 + r]!);
    const slice = image.data.slice(k * columns * rows, (k + 1) * columns * rows);
    const elements: Element[] = [
      [0x0008, 0x0008, 'CS', image.imageType ?? 'ORIGINAL\\PRIMARY\\M\\ND'],
      [0x0008, 0x0016, 'UI', MR_STORAGE],
      [0x0008, 0x0018, 'UI', `${uid}.${k + 1}`],
      [0x0008, 0x0060, 'CS', image.modality ?? 'MR'],
      [0x0008, 0x0070, 'LO', 'SIEMENS'],
      [0x0008, 0x103e, 'LO', image.description ?? 't1'],
      [0x0010, 0x0010, 'PN', patient],
      [0x0010, 0x0020, 'LO', patient],
      [0x0018, 0x0023, 'CS', '2D'],
      [0x0018, 0x0050, 'DS', decimal(spacing[2]!)],
      [0x0018, 0x0081, 'DS', '10'],
      ...(image.tilt === undefined ? [] : [[0x0018, 0x1120, 'DS', String(image.tilt)] as Element]),
      [0x0018, 0x5100, 'CS', 'HFS'],
      [0x0020, 0x000d, 'UI', `1.2.3.${patient.charCodeAt(0)}`],
      [0x0020, 0x000e, 'UI', uid],
      [0x0020, 0x0011, 'IS', String(series)],
      [0x0020, 0x0012, 'IS', '1'],
      [0x0020, 0x0013, 'IS', String(k + 1)],
      [0x0020, 0x0032, 'DS', position.map(decimal).join('\\')],
      [0x0020, 0x0037, 'DS', [...direction(0), ...direction(1)].map(decimal).join('\\')],
      [0x0028, 0x0002, 'US', 1],
      [0x0028, 0x0004, 'CS', 'MONOCHROME2'],
      [0x0028, 0x0010, 'US', rows],
      [0x0028, 0x0011, 'US', columns],
      [0x0028, 0x0030, 'DS', `${decimal(spacing[1]!)}\\${decimal(spacing[0]!)}`],
      [0x0028, 0x0100, 'US', 16],
      [0x0028, 0x0101, 'US', 16],
      [0x0028, 0x0102, 'US', 15],
      [0x0028, 0x0103, 'US', 0],
      [0x7fe0, 0x0010, 'OW', new Uint8Array(slice.buffer)],
    ];
    const meta = joined([
      encoded([0x0002, 0x0002, 'UI', MR_STORAGE]),
      encoded([0x0002, 0x0003, 'UI', `${uid}.${k + 1}`]),
      encoded([0x0002, 0x0010, 'UI', EXPLICIT_LITTLE]),
    ]);
    const length = new Uint8Array([2, 0, 0, 0, 0x55, 0x4c, 4, 0, ...little(meta.length, 4)]);
    const magic = new Uint8Array(132);
    magic.set([0x44, 0x49, 0x43, 0x4d], 128);
    return joined([magic, length, meta, ...elements.map(encoded)]);
  });
}

/** A decimal string: at most 16 characters. */
function decimal(value: number): string {
  for (let digits = 14; ; digits--) {
    const text = String(Number(value.toPrecision(digits)));
    if (text.length <= 16) return text;
  }
}

function little(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 255);
}

function encoded([group, element, vr, value]: Element): Uint8Array {
  const raw =
    typeof value === 'number'
      ? Uint8Array.from(little(value, 2))
      : typeof value === 'string'
        ? new TextEncoder().encode(value)
        : value;
  const padded = new Uint8Array(raw.length + (raw.length % 2)).fill(vr === 'UI' ? 0 : 32);
  padded.set(raw);
  const long = vr === 'OW';
  const size = long ? [0, 0, ...little(padded.length, 4)] : little(padded.length, 2);
  const letters = [...vr].map((letter) => letter.charCodeAt(0));
  return joined([Uint8Array.from([...little(group, 2), ...little(element, 2), ...letters, ...size]), padded]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
