import { gunzipSync } from 'fflate';
import { mat4 } from 'gl-matrix';
import type { Grid } from '../volume/volume.ts';
import { ATLAS } from './atlas.ts';

/** Where a scan's regions begin: 1 inside, on the scan's grid. */
export interface RegionMaps {
  readonly ventricle: Uint8Array;
  readonly cortex: Uint8Array;
  readonly infratentorial: Uint8Array;
}

/** A scan's own probabilities, one per voxel, which place cortex and ventricles better than a template does. */
export interface OwnTissues {
  readonly gm: Float32Array;
  readonly csf: Float32Array;
  /** Not 0 where a lesion is, which maps take for grey matter or fluid: neither cortex nor ventricle there. */
  readonly lesions: Uint8Array;
}

/** Labels of the atlas. */
const ZONE = { ventricle: 1, nearVentricle: 2, cortex: 3, nearCortex: 4, infratentorial: 5 } as const;

/**
 * Ventricles, cortex and the infratentorial brain of a scan, from the ICBM 2009a template. With the scan's own tissue
 * maps, ventricles are its fluid (from a probability of 0.5) in and within 8 mm of the template's ventricles, and cortex
 * is its grey matter in and within 4 mm of the template's; without, both are the template's alone.
 * @param toTemplate from the scan's world to the template's, mm in RAS+, column-major as gl-matrix has it
 * @param own of the scan
 */
export function atlasMaps(grid: Grid, toTemplate: Readonly<Float64Array>, own?: OwnTissues): RegionMaps {
  const [nx, ny, nz] = grid.shape;
  const make = (): Uint8Array => new Uint8Array(nx * ny * nz);
  const maps = { ventricle: make(), cortex: make(), infratentorial: make() };
  eachZone(grid, toTemplate, (i, zone) => {
    if (zone === ZONE.infratentorial) maps.infratentorial[i] = 1;
    else if (own) {
      if (own.lesions[i] !== 0) return;
      if ((zone === ZONE.ventricle || zone === ZONE.nearVentricle) && own.csf[i]! >= 0.5)
        maps.ventricle[i] = 1;
      else if ((zone === ZONE.cortex || zone === ZONE.nearCortex) && own.gm[i]! >= 0.5) maps.cortex[i] = 1;
    } else if (zone === ZONE.ventricle) maps.ventricle[i] = 1;
    else if (zone === ZONE.cortex) maps.cortex[i] = 1;
  });
  return maps;
}

/**
 * How well a scan's brain covers the template's: Dice of both, the template's seen on the scan's grid. What a scan does not show
 * of the template's brain counts against it.
 * @param toTemplate as for {@link atlasMaps}
 */
export function brainOverlap(grid: Grid, toTemplate: Readonly<Float64Array>, brain: Uint8Array): number {
  let own = 0;
  for (const v of brain) if (v !== 0) own++;
  let both = 0;
  eachZone(grid, toTemplate, (i, zone) => {
    if (zone !== 0 && brain[i] !== 0) both++;
  });
  const inTemplate = atlasLabels().reduce((sum, zone) => sum + Number(zone !== 0), 0);
  // In voxels of the scan.
  const all = inTemplate / Math.abs(mat4.determinant(atlasMatrix(grid, toTemplate)));
  return (2 * both) / (own + all);
}

/** Calls with each voxel of a grid that lies in the atlas, and its label there. */
function eachZone(
  grid: Grid,
  toTemplate: Readonly<Float64Array>,
  each: (voxel: number, zone: number) => void,
): void {
  const zones = atlasLabels();
  const [ax, ay, az] = ATLAS.shape;
  const step = atlasMatrix(grid, toTemplate);
  const [nx, ny, nz] = grid.shape;
  for (let z = 0, i = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++, i++) {
        const place = (axis: number): number =>
          Math.floor(step[axis]! * x + step[4 + axis]! * y + step[8 + axis]! * z + step[12 + axis]! + 0.5);
        const [u, v, w] = [place(0), place(1), place(2)];
        if (u >= 0 && v >= 0 && w >= 0 && u < ax && v < ay && w < az) each(i, zones[(w * ay + v) * ax + u]!);
      }
}

/** From a scan's voxel indices to the atlas's. */
function atlasMatrix(grid: Grid, toTemplate: Readonly<Float64Array>): Float64Array {
  const toVoxel = new Float64Array(16);
  const [x, y, z] = ATLAS.origin;
  // Blocks of 2 mm.
  mat4.fromScaling(toVoxel, [0.5, 0.5, 0.5]);
  mat4.translate(toVoxel, toVoxel, [-x, -y, -z]);
  mat4.multiply(toVoxel, toVoxel, toTemplate as Float64Array);
  mat4.multiply(toVoxel, toVoxel, grid.affine as Float64Array);
  return toVoxel;
}

let labels: Uint8Array | undefined;

/** The atlas at 2 mm, x fastest; unpacked once. */
function atlasLabels(): Uint8Array {
  labels ??= gunzipSync(Uint8Array.from(atob(ATLAS.labels), (c) => c.charCodeAt(0)));
  return labels;
}
