import { MULTIPLANAR_TYPE, Niivue, NVImage, SHOW_RENDER, SLICE_TYPE } from '@niivue/niivue';
import { UsageError } from '../core/errors.ts';
import { OVERLAY_COLORS } from '../imaging/report/figures.ts';

/** How the volume is laid out. */
export type ViewLayout = 'planes' | 'axial' | 'coronal' | 'sagittal' | 'render';

/** Where the crosshair is. */
export interface CrosshairReport {
  /** World mm, RAS+. */
  readonly place: readonly [number, number, number];
  /** Of the image shown. */
  readonly intensity: number;
  /** Whether the voxel is drawn as lesion; null while nothing is drawn. */
  readonly drawn: boolean | null;
}

/** What dragging on the image does. */
export type Tool = 'look' | 'paint' | 'erase';

/** Which of the overlay's parts are seen. */
export interface OverlayParts {
  readonly truth: boolean;
  readonly prediction: boolean;
}

const SLICE_TYPES: Readonly<Record<ViewLayout, SLICE_TYPE>> = {
  planes: SLICE_TYPE.MULTIPLANAR,
  axial: SLICE_TYPE.AXIAL,
  coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL,
  render: SLICE_TYPE.RENDER,
};

/** Of a mask that is being painted: the image must be seen through it. */
const DRAW_OPACITY = 0.55;

/** The plane of a brush, by layout, as NiiVue counts them: axial, coronal, sagittal. */
const PEN_PLANES: Readonly<Record<ViewLayout, number>> = {
  planes: 0,
  axial: 0,
  coronal: 1,
  sagittal: 2,
  render: 0,
};

/** NiiVue with what the app needs of it: one image, one overlay of classes, a crosshair. */
export class Viewer {
  readonly #nv: Niivue;
  #overlay: NVImage | undefined;
  #crosshair: CrosshairReport = { place: [0, 0, 0], intensity: Number.NaN, drawn: null };
  #opacity = 0.85;
  #parts: OverlayParts = { truth: true, prediction: true };

  private constructor(nv: Niivue) {
    this.#nv = nv;
  }

  /** @param onCrosshair called whenever the crosshair moves */
  static async create(
    canvas: HTMLCanvasElement,
    onCrosshair: (report: CrosshairReport) => void,
  ): Promise<Viewer> {
    const nv = new Niivue({
      dragAndDropEnabled: false,
      backColor: [0, 0, 0, 1],
      crosshairColor: [0.48, 0.72, 0.96, 0.8],
      crosshairWidth: 0.7,
      crosshairWidthUnit: 'mm',
      crosshairGap: 5,
      isCornerOrientationText: true,
      fontColor: [0.85, 0.88, 0.92, 1],
      fontMinPx: 12,
      isRadiologicalConvention: true,
      multiplanarShowRender: SHOW_RENDER.ALWAYS,
      multiplanarLayout: MULTIPLANAR_TYPE.GRID,
      logLevel: 'silent',
      loadingText: '',
      show3Dcrosshair: true,
    });
    await nv.attachToCanvas(canvas, false);
    const viewer = new Viewer(nv);
    nv.onLocationChange = (data: unknown) => {
      const { mm, values } = data as { mm: ArrayLike<number>; values: { value: number }[] };
      const intensity = values[0]?.value ?? Number.NaN;
      viewer.#crosshair = { place: [mm[0]!, mm[1]!, mm[2]!], intensity, drawn: viewer.#drawn() };
      onCrosshair(viewer.#crosshair);
    };
    return viewer;
  }

  /**
   * Shows an image in grey; an overlay that was there stays.
   * @param nifti a NIfTI file that is not compressed
   * @returns the intensities shown black and white, the smallest and largest there are, and a voxel's edges in mm
   */
  async showImage(nifti: Uint8Array): Promise<{
    window: [number, number];
    range: [number, number];
    voxel: [number, number, number];
  }> {
    const image = await load(nifti, 'image.nii');
    for (const volume of [...this.#nv.volumes]) this.#nv.removeVolume(volume);
    this.#nv.addVolume(image);
    if (this.#overlay) this.#nv.addVolume(this.#overlay);
    this.#nv.createOnLocationChange();
    const [, x = 1, y = 1, z = 1] = image.pixDimsRAS ?? [];
    return {
      voxel: [x, y, z],
      window: [image.cal_min ?? 0, image.cal_max ?? 1],
      range: [image.global_min ?? 0, image.global_max ?? 1],
    };
  }

  /** Shows classes over the image: 1 truth alone, 2 prediction alone, 3 both, in the paper's colours. */
  async showOverlay(nifti: Uint8Array | null): Promise<void> {
    if (this.#overlay) this.#nv.removeVolume(this.#overlay);
    this.#overlay = nifti ? await load(nifti, 'overlay.nii') : undefined;
    if (!this.#overlay) return;
    this.#overlay.setColormapLabel(labelColors(this.#parts));
    this.#overlay.opacity = this.#opacity;
    this.#nv.addVolume(this.#overlay);
  }

  setWindow([black, white]: readonly [number, number]): void {
    const [image] = this.#nv.volumes;
    if (!image) return;
    image.cal_min = black;
    image.cal_max = Math.max(white, black + Number.EPSILON);
    this.#nv.updateGLVolume();
  }

  setOverlay(opacity: number, parts: OverlayParts): void {
    this.#opacity = opacity;
    this.#parts = parts;
    if (!this.#overlay) return;
    this.#overlay.setColormapLabel(labelColors(parts));
    this.#overlay.opacity = opacity;
    this.#nv.updateGLVolume();
  }

  setLayout(layout: ViewLayout): void {
    this.#nv.setSliceType(SLICE_TYPES[layout]);
  }

  /**
   * Shows a mask that can be painted on, in place of the overlay.
   * @param nifti a mask on the image's grid, not compressed
   */
  async startDrawing(nifti: Uint8Array): Promise<void> {
    const mask = await load(nifti, 'drawing.nii');
    if (this.#overlay) this.#nv.removeVolume(this.#overlay);
    this.#nv.loadDrawing(mask);
    this.#nv.drawOpacity = DRAW_OPACITY;
    this.setTool('look', 1);
  }

  /** @param size edge of the brush in voxels */
  setTool(tool: Tool, size: number): void {
    this.#nv.setDrawingEnabled(tool !== 'look');
    this.#nv.opts.penSize = size;
    if (tool !== 'look') this.#nv.setPenValue(tool === 'paint' ? 1 : 0, false);
  }

  undo(): void {
    this.#nv.drawUndo();
    this.#nv.createOnLocationChange();
  }

  /**
   * Draws with the brush at the crosshair, in the plane that the layout shows (several: the axial one).
   * @returns how many voxels changed
   */
  drawAtCrosshair(tool: Exclude<Tool, 'look'>, layout: ViewLayout): number {
    const before = countDrawn(this.#nv.drawBitmap);
    this.#nv.drawPenAxCorSag = PEN_PLANES[layout];
    const [x, y, z] = this.#voxel();
    this.#nv.drawPt(x, y, z, tool === 'paint' ? 1 : 0);
    // The next stroke of the mouse chooses its own plane.
    this.#nv.drawPenAxCorSag = -1;
    const changed = Math.abs(countDrawn(this.#nv.drawBitmap) - before);
    if (changed > 0) this.#nv.drawAddUndoBitmap();
    this.#nv.refreshDrawing(true);
    this.#nv.createOnLocationChange();
    return changed;
  }

  /** The drawing as a NIfTI file on the image's own grid, not compressed. */
  async drawing(): Promise<Uint8Array> {
    const bytes = await this.#nv.saveImage({ filename: '', isSaveDrawing: true, volumeByIndex: 0 });
    if (bytes instanceof Uint8Array) return bytes;
    throw new UsageError('there is no drawing');
  }

  /** Ends drawing and shows the overlay again. */
  endDrawing(): void {
    this.#nv.setDrawingEnabled(false);
    this.#nv.closeDrawing();
    this.#nv.createOnLocationChange();
    if (this.#overlay) this.#nv.addVolume(this.#overlay);
  }

  /** Puts the crosshair at a place in world mm, RAS+. */
  moveTo(place: readonly [number, number, number]): void {
    this.#nv.scene.crosshairPos = this.#nv.mm2frac([...place]);
    this.#nv.createOnLocationChange();
    this.#nv.drawScene();
  }

  /** Moves the crosshair by voxels to the right, front and top, within the image; where it is then. */
  step([x, y, z]: readonly [number, number, number]): CrosshairReport {
    this.#nv.moveCrosshairInVox(x, y, z);
    return this.#crosshair;
  }

  /** Turns the render, by degrees of azimuth and elevation. */
  turn([azimuth, elevation]: readonly [number, number]): void {
    const { renderAzimuth, renderElevation } = this.#nv.scene;
    this.#nv.setRenderAzimuthElevation(renderAzimuth + azimuth, renderElevation + elevation);
  }

  /** The crosshair's voxel, from the left, back and bottom. */
  #voxel(): [number, number, number] {
    const [x, y, z] = this.#nv.frac2vox(this.#nv.scene.crosshairPos);
    return [x!, y!, z!];
  }

  #drawn(): boolean | null {
    const { drawBitmap, back } = this.#nv;
    if (!drawBitmap || !back?.dims) return null;
    const [x, y, z] = this.#voxel();
    return drawBitmap[x + back.dims[1]! * (y + back.dims[2]! * z)] !== 0;
  }
}

function countDrawn(bitmap: Uint8Array | null): number {
  let count = 0;
  for (const value of bitmap ?? []) if (value !== 0) count++;
  return count;
}

async function load(nifti: Uint8Array, name: string): Promise<NVImage> {
  const file = new File([nifti as Uint8Array<ArrayBuffer>], name);
  return await NVImage.loadFromFile({ file, name });
}

function labelColors({ truth, prediction }: OverlayParts): Parameters<NVImage['setColormapLabel']>[0] {
  const { missed, extra, found } = OVERLAY_COLORS;
  const both = truth && prediction ? found : truth ? missed : extra;
  const colors = [[0, 0, 0], missed, extra, both] as const;
  const alpha = [0, truth ? 255 : 0, prediction ? 255 : 0, truth || prediction ? 255 : 0];
  return {
    R: colors.map((color) => color[0]),
    G: colors.map((color) => color[1]),
    B: colors.map((color) => color[2]),
    A: alpha,
    I: [0, 1, 2, 3],
    labels: ['', 'missed', 'extra', 'found'],
  };
}
