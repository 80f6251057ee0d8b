/** How often a kernel's loops run in one turn of its outer loop. */
export interface Turn {
  /** Path of the outer loop. */
  readonly outer: string;
  /** Trips by path of each loop inside it, per trip of the loop around it; every loop, and no other. */
  readonly trips: Readonly<Record<string, number>>;
}

/**
 * Turns of the convolutions, by the kernel's key; compilers differ, and the one whose paths are those of the text holds. The text of a kernel does not tell how often a loop runs; these follow
 * from the tile's constants for 128 or 64 lanes. A compiler that unrolls or splits a loop changes the paths: the report
 * then says so, and `--loops` prints the new ones.
 */
export const TURNS: Readonly<Record<string, readonly Turn[]>> = {
  // The staging of both sources is counted, though a turn runs that of one.
  'conv3d-wide.wgsl:convolve{CI=2,Z=8}': [
    { outer: '1', trips: { '1.0': 4, '1.1': 3, '1.2': 3 } },
    { outer: '1', trips: { '1.0': 4, '1.1': 2, '1.1.0': 3 } },
  ],
  'conv3d-wide.wgsl:convolve{CI=4,Z=4}': [
    { outer: '1', trips: { '1.0': 7, '1.1': 4 } },
    { outer: '1', trips: { '1.0': 7, '1.1': 4, '1.1.0': 3 } },
  ],
  'conv3d-wide-gradient.wgsl:weight_partial{GZ=2}': [{ outer: '1', trips: { '1.0': 3, '1.1': 8 } }],
  'conv3d-wide-gradient.wgsl:weight_partial{GZ=1}': [{ outer: '1', trips: { '1.0': 2, '1.1': 4 } }],
  'conv-transpose3d-wide.wgsl:backward_weight{SX=2,SY=2,SZ=2}': [{ outer: '1', trips: { '1.0': 8 } }],
  'conv3d.wgsl:convolve{CI=4,EX=1,EY=1,EZ=1,KX=3,KY=3,KZ=3,UX=1,UY=1,UZ=1,Z=4}': [
    { outer: '1', trips: { '1.0': 12, '1.1': 4, '1.2': 4, '1.2.0': 3, '1.2.0.0': 3 } },
  ],
  'conv3d.wgsl:weight_partial{CIW=4,EX=1,EY=1,EZ=1,KX=3,KY=3,KZ=3,UX=1,UY=1,UZ=1}': [
    { outer: '1', trips: { '1.0': 7, '1.1': 2, '1.2': 8 } },
  ],
};
