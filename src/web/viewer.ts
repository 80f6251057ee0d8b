import { MULTIPLANAR_TYPE, Niivue, NVImage, SHOW_RENDER, SLICE_TYPE } from '@niivue/niivue';
import { UsageError } from '../core/errors.ts';
import { OVERLAY_COLORS } from '../report/figures.ts';

/** How the volume is laid out. */
export type ViewLayout = 'planes' | 'axial' | 'coronal' | 'sagittal' | 'render';

/** Where the crosshair is. */
export interface CrosshairReport {
  /** World mm, RAS+. */
  readonly place: readonly [number, number, number];
  /** Of the image shown. */
  readonly intensity: number;
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

/** NiiVue with what the app needs of it: one image, one overlay of classes, a crosshair. */
export class Viewer {
  readonly #nv: Niivue;
  #overlay: NVImage | undefined;
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
    nv.onLocationChange = (data: unknown) => {
      const { mm, values } = data as { mm: ArrayLike<number>; values: { value: number }[] };
      onCrosshair({ place: [mm[0]!, mm[1]!, mm[2]!], intensity: values[0]?.value ?? Number.NaN });
    };
    return new Viewer(nv);
  }

  /**
   * Shows an image in grey; an overlay that was there stays.
   * @param nifti a NIfTI file that is not compressed
   * @returns the intensities shown black and white, and the smallest and largest there are
   */
  async showImage(nifti: Uint8Array): Promise<{ window: [number, number]; range: [number, number] }> {
    const image = await load(nifti, 'image.nii');
    for (const volume of [...this.#nv.volumes]) this.#nv.removeVolume(volume);
    this.#nv.addVolume(image);
    if (this.#overlay) this.#nv.addVolume(this.#overlay);
    this.#nv.createOnLocationChange();
    return {
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
    this.#nv.drawOpacity = this.#opacity;
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
    if (this.#overlay) this.#nv.addVolume(this.#overlay);
  }

  /** Puts the crosshair at a place in world mm, RAS+. */
  moveTo(place: readonly [number, number, number]): void {
    this.#nv.scene.crosshairPos = this.#nv.mm2frac([...place]);
    this.#nv.createOnLocationChange();
    this.#nv.drawScene();
  }
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
