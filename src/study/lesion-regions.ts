import { type Json, toJson } from '../core/json.ts';
import type { Gpu } from '../engine/gpu/gpu.ts';
import { LARGEST_BRAIN_ML, SMALLEST_BRAIN_ML } from '../imaging/dataset/brain-check.ts';
import type { LoadedScan } from '../imaging/dataset/load-scan.ts';
import type { PredictionKind } from '../imaging/dataset/prediction-path.ts';
import { atlasMaps, type OwnTissues } from '../imaging/regions/atlas-maps.ts';
import {
  classifyRegions,
  REGIONS,
  type Region,
  regionImage,
  regionTable,
} from '../imaging/regions/classify.ts';
import { type Placement, placeInTemplate } from '../imaging/regions/to-template.ts';
import { gpuComparison } from '../imaging/register/joint-histogram.ts';
import { partVoxels } from '../imaging/results/parts.ts';
import { cropData } from '../imaging/volume/crop.ts';
import { voxelVolume } from '../imaging/volume/volume.ts';
import { toFloat32, type Voxels } from '../imaging/volume/voxels.ts';
import type { DecidedBox } from '../pipeline/predict/decide-box.ts';
import { maskOf } from '../pipeline/predict/head-result.ts';
import type { LocatedParts } from '../pipeline/predict/request.ts';

/** The label that has regions. */
const LABEL = 'lesion';

/** Images that a template's contrast is compared with, the best first. */
const IMAGES = ['T1w', 'FLAIR'] as const;

/** The label image of regions. */
export const REGIONS_KIND: PredictionKind = { label: LABEL, desc: 'regions', suffix: 'dseg' };

/**
 * Says where in the brain each lesion is: the scan is registered to the template, whose atlas gives ventricles, cortex and the
 * infratentorial brain; with tissue maps, ventricles and cortex are the scan's own near the template's.
 * @returns undefined where no lesions are decided about
 * @throws OutOfMemoryError, GpuError, DeviceLostError
 */
export async function findRegions(
  gpu: Gpu,
  decided: DecidedBox,
  scan: LoadedScan<Voxels>,
): Promise<LocatedParts | undefined> {
  const head = [...decided.heads.values()].find((result) => result.head.labels.includes(LABEL));
  const found = decided.found.find(({ label }) => label === LABEL);
  if (!head || !found) return undefined;
  const { box, grid } = decided;
  const withParts = (parts: typeof found.parts): DecidedBox => ({
    ...decided,
    found: decided.found.map((other) => (other === found ? { ...found, parts, regions: REGIONS } : other)),
  });
  // Nothing is nowhere, and that takes no registration.
  if (found.parts.length === 0)
    return {
      decided: withParts([]),
      image: painted(new Uint8Array(box.shape[0] * box.shape[1] * box.shape[2])),
    };
  const placement = await place(gpu, scan);
  if (placement.toTemplate === undefined) return { decided, reason: placement.reason };
  const mask = maskOf(head, LABEL);
  const own = ownTissues(scan, decided, mask);
  const voxels = partVoxels(mask, grid);
  const regions = classifyRegions(voxels, grid, atlasMaps(grid, placement.toTemplate, own));
  const parts = found.parts.map((part, i) => ({ ...part, region: regions[i]! satisfies Region }));
  return {
    decided: withParts(parts),
    image: painted(regionImage(voxels, regions, box.shape[0] * box.shape[1] * box.shape[2])),
    method: toJson({
      Rule: 'LST-AI: a lesion dilated by a voxel that meets a ventricle, else the cortex, else the infratentorial brain, else deep',
      Template: 'ICBM 152 2009a nonlinear symmetric',
      VentriclesAndCortex: own ? "the scan's tissue maps near the template's" : "the template's",
      ToTemplate: [...placement.toTemplate],
      BrainDice: placement.dice,
      MutualInformation: placement.registration.information,
    }) as Json,
  };
}

function painted(voxels: Uint8Array): NonNullable<LocatedParts['image']> {
  return { kind: REGIONS_KIND, voxels, values: REGIONS, table: regionTable() };
}

async function place(
  gpu: Gpu,
  { grid, brain, brainSource, channels }: LoadedScan<Voxels>,
): Promise<Placement> {
  if (brainSource === 'whole') return { reason: 'the scan has no brain mask' };
  const ml = (brain.reduce((sum, v) => sum + Number(v !== 0), 0) * voxelVolume(grid)) / 1000;
  if (ml < SMALLEST_BRAIN_ML || ml > LARGEST_BRAIN_ML)
    return { reason: `the brain mask holds ${ml.toFixed(0)} ml, and adults' brains have 1000 to 2000` };
  const image = IMAGES.map((name) => channels.find((channel) => channel.name === name)).find(Boolean);
  if (!image) return { reason: `the network reads neither ${IMAGES.join(' nor ')}` };
  return await placeInTemplate(gpuComparison(gpu), { grid, data: toFloat32(image.data), brain });
}

/** Grey matter and fluid of the box, where maps of both were loaded. */
function ownTissues(
  { grid, maps }: LoadedScan<Voxels>,
  { box }: DecidedBox,
  lesions: Uint8Array,
): OwnTissues | undefined {
  const map = (label: string): Float32Array | undefined => {
    const found = maps?.list.find((one) => one.label === label);
    return found && cropData(found.data, grid.shape, box);
  };
  const [gm, csf] = [map('GM'), map('CSF')];
  return gm && csf ? { gm, csf, lesions } : undefined;
}
