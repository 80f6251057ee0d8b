import { CheckpointError } from '../../core/errors.ts';
import { sha256Bytes, toHex } from '../../core/hash.ts';

/** Name of the metadata entry that holds the checksum. It sorts before `format`, so it opens the header. */
export const SEAL = 'checksum';
/** What the entry holds until {@link seal} fills it in: as many digits as a SHA-256 has. */
export const UNSEALED: string = '0'.repeat(64);

const HEADER = 8;
const OPENING = `{"__metadata__":{"${SEAL}":"`;
const FIRST = HEADER + OPENING.length;
const LAST = FIRST + UNSEALED.length;

/**
 * Fills in the checksum of a safetensors file whose metadata were written with {@link UNSEALED}: the SHA-256 of two
 * SHA-256s, that of the header with the digits at zero and that of the tensors. Changes the bytes in place.
 * @throws CheckpointError where the file has no place for it.
 */
export async function seal(bytes: Uint8Array, path: string): Promise<void> {
  requirePlace(bytes, path);
  bytes.set(new TextEncoder().encode(await checksum(bytes)), FIRST);
}

/** @throws CheckpointError where the file has no checksum or another one than its bytes. */
export async function checkSeal(bytes: Uint8Array, path: string): Promise<void> {
  requirePlace(bytes, path);
  const stored = new TextDecoder().decode(bytes.subarray(FIRST, LAST));
  const found = await checksum(bytes);
  if (stored !== found)
    throw new CheckpointError(
      `${path}: its bytes have the checksum ${found.slice(0, 12)}…, but it was written with ${stored.slice(0, 12)}…`,
      { hint: 'The file is damaged: take an older checkpoint.' },
    );
}

function requirePlace(bytes: Uint8Array, path: string): void {
  if (new TextDecoder().decode(bytes.subarray(HEADER, FIRST)) === OPENING && bytes.length > LAST) return;
  throw new CheckpointError(`${path}: has no checksum`, {
    hint: 'The file is damaged or was made by another program: take an older checkpoint.',
  });
}

async function checksum(bytes: Uint8Array): Promise<string> {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const end = Math.min(bytes.length, HEADER + length);
  // Only the header is copied: the tensors may be gigabytes.
  const header = Uint8Array.from(bytes.subarray(0, end));
  header.fill(0x30, FIRST, LAST);
  const both = new Uint8Array(64);
  both.set(await sha256Bytes(header));
  both.set(await sha256Bytes(bytes.subarray(end)), 32);
  return toHex(await sha256Bytes(both));
}
