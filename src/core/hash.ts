/** SHA-256 of bytes, as 32 bytes. */
export async function sha256Bytes(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
}

/** SHA-256 of bytes, in hexadecimal. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  return toHex(await sha256Bytes(bytes));
}

/** Two lower-case digits a byte. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The bytes of an array of numbers, without a copy. */
export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * SHA-256 of named arrays: of the list of their names, sorted, and the hash of each. Independent of the order in which
 * they come, and no array is copied.
 */
export async function sha256OfArrays(arrays: Iterable<readonly [string, ArrayBufferView]>): Promise<string> {
  const sorted = [...arrays].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines: string[] = [];
  for (const [name, data] of sorted) lines.push(`${await sha256(bytesOf(data))} ${name}`);
  return await sha256(new TextEncoder().encode(lines.join('\n')));
}
