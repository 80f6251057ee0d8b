import { ceilDiv, sizeOf, type Triple } from '../../core/shape.ts';

/** How a volume is cut into blocks of lattices: every voxel is a point of one block. */
export interface BlockGrid {
  /** Voxels between neighbouring points of a lattice. */
  readonly dilation: number;
  /** Points of a block along z, y and x. */
  readonly block: Triple;
  /** Blocks of a batch. */
  readonly blocks: number;
  readonly batches: number;
  /** Of the volume. */
  readonly extents: Triple;
  /** Writes values of a batch's points to their voxels. @param places as {@link batchesOf} gives them */
  place(values: Float32Array, places: Int32Array, out: Uint8Array): void;
}

/** Points of a block along an axis at most: more have less in common with their neighbours, but more in memory. */
const EDGE = 64;

/** Cuts a volume for convolutions whose taps lie `dilation` voxels apart. @param bytes of a batch in 32 bits, at most */
export function blockGrid(extents: Triple, dilation: number, channels: number, bytes: number): BlockGrid {
  const points = Math.max(1, Math.floor(bytes / (4 * channels)));
  const edge = Math.max(8, Math.min(EDGE, Math.floor(Math.cbrt(points) / 8) * 8));
  const block = extents.map((extent) => {
    const lattice = ceilDiv(extent, dilation);
    // Equal parts: the last one is not a thin rest.
    return ceilDiv(lattice, ceilDiv(lattice, edge));
  }) as unknown as Triple;
  const count = placesOf(extents, dilation, block).length;
  const blocks = Math.min(count, Math.max(1, Math.floor(points / sizeOf(block))));
  return {
    dilation,
    block,
    blocks,
    batches: ceilDiv(count, blocks),
    extents,
    place(values, places, out) {
      const [depth, height, width] = extents;
      for (let n = 0, at = 0; n < blocks; n++)
        for (let k = 0; k < block[0]; k++)
          for (let j = 0; j < block[1]; j++)
            for (let i = 0; i < block[2]; i++, at++) {
              const z = places[4 * n]! + dilation * k;
              const y = places[4 * n + 1]! + dilation * j;
              const x = places[4 * n + 2]! + dilation * i;
              if (z < depth && y < height && x < width) out[(z * height + y) * width + x] = values[at]!;
            }
    },
  };
}

/** The first voxel of every block. */
function placesOf(extents: Triple, dilation: number, block: Triple): Triple[] {
  const along = extents.map((extent, a) => {
    const starts: number[] = [];
    for (let phase = 0; phase < Math.min(dilation, extent); phase++)
      for (let at = phase; at < extent; at += dilation * block[a]!) starts.push(at);
    return starts;
  });
  return along[0]!.flatMap((z) => along[1]!.flatMap((y) => along[2]!.map((x): Triple => [z, y, x])));
}

/** The first voxels of the blocks of each batch, [blocks, 4]; what fills up the last one lies outside of the volume. */
export function* batchesOf({
  extents,
  dilation,
  block,
  blocks,
}: BlockGrid): Generator<Int32Array<ArrayBuffer>> {
  const places = placesOf(extents, dilation, block);
  for (let first = 0; first < places.length; first += blocks) {
    const batch = new Int32Array(4 * blocks);
    for (let n = 0; n < blocks; n++) batch.set(places[first + n] ?? extents, 4 * n);
    yield batch;
  }
}
