import type { Tool, Viewer, ViewLayout } from './viewer.ts';

/** What a key does to the image that has the focus. */
export type KeyAction =
  /** Voxels to the right, front and top. */
  | { readonly kind: 'move'; readonly by: readonly [number, number, number] }
  /** Degrees of azimuth and elevation. */
  | { readonly kind: 'turn'; readonly by: readonly [number, number] }
  | { readonly kind: 'draw'; readonly tool: Exclude<Tool, 'look'> }
  | { readonly kind: 'undo' }
  /** To the next part that was found, or the one before. */
  | { readonly kind: 'lesion'; readonly by: 1 | -1 }
  /** Takes the chosen part out of the result. */
  | { readonly kind: 'remove' };

/** Of a keyboard event. */
export type Key = Pick<KeyboardEvent, 'key' | 'shiftKey' | 'ctrlKey' | 'metaKey' | 'altKey'>;

/** Voxels or degrees of a step with Shift. */
const STRIDE = 10;
const DEGREES = 5;

type Axis = 0 | 1 | 2;

/**
 * By layout: the axis of the plane's horizontal and which way its right points (images lie as radiologists hang them,
 * the patient's right on the left), that of its vertical, and that of its slices.
 */
const PLANES: Readonly<Record<Exclude<ViewLayout, 'render'>, readonly [Axis, 1 | -1, Axis, Axis]>> = {
  planes: [0, -1, 1, 2],
  axial: [0, -1, 1, 2],
  coronal: [0, -1, 2, 1],
  sagittal: [1, 1, 2, 0],
};

/** What a key means in a layout; undefined where it means nothing. */
export function keyAction(pressed: Key, layout: ViewLayout): KeyAction | undefined {
  const { ctrlKey, metaKey, altKey, shiftKey } = pressed;
  const key = pressed.key.length === 1 ? pressed.key.toLowerCase() : pressed.key;
  if (altKey) return undefined;
  if (ctrlKey || metaKey) return key === 'z' && !shiftKey ? { kind: 'undo' } : undefined;
  if (key === 'p' || key === 'e') return { kind: 'draw', tool: key === 'p' ? 'paint' : 'erase' };
  if (key === 'n' || key === 'b') return { kind: 'lesion', by: key === 'n' ? 1 : -1 };
  if (key === 'Delete') return { kind: 'remove' };
  const steps = STEPS[key];
  if (!steps) return undefined;
  const [right, up, slice] = steps;
  const scale = shiftKey ? STRIDE : 1;
  if (layout === 'render')
    return slice === 0 ? { kind: 'turn', by: [right * DEGREES * scale, up * DEGREES * scale] } : undefined;
  const [horizontal, sense, vertical, across] = PLANES[layout];
  const by: [number, number, number] = [0, 0, 0];
  by[horizontal] += right * sense * scale;
  by[vertical] += up * scale;
  by[across] += slice * scale;
  return { kind: 'move', by };
}

/** Steps to the right, up and to the next slice. */
const STEPS: Readonly<Record<string, readonly [number, number, number]>> = {
  ArrowLeft: [-1, 0, 0],
  ArrowRight: [1, 0, 0],
  ArrowUp: [0, 1, 0],
  ArrowDown: [0, -1, 0],
  PageUp: [0, 0, 1],
  PageDown: [0, 0, -1],
};

/**
 * Does what a key asks for.
 * @param drawing whether the mask is being corrected
 * @returns what a screen reader is to say
 */
export function doKey(
  viewer: Viewer,
  action: Exclude<KeyAction, { readonly kind: 'lesion' | 'remove' }>,
  layout: ViewLayout,
  drawing: boolean,
): string {
  if (action.kind === 'turn') {
    viewer.turn(action.by);
    return '';
  }
  if (action.kind === 'move') {
    const report = viewer.step(action.by);
    const lesion = report.drawn === null ? '' : report.drawn ? ', lesion' : ', no lesion';
    return `${placeText(report.place)}${lesion}`;
  }
  if (!drawing) return 'The mask is changed only while it is being corrected: press “Correct” first.';
  if (action.kind === 'undo') {
    viewer.undo();
    return 'Took the last stroke back';
  }
  const voxels = viewer.drawAtCrosshair(action.tool, layout);
  const [done, nothing] = SAID[action.tool];
  return voxels === 0 ? nothing : `${done} ${voxels} ${voxels === 1 ? 'voxel' : 'voxels'}`;
}

/** After a change, and where there was none to make. */
const SAID = {
  paint: ['Painted', 'It is all lesion here already'],
  erase: ['Erased', 'There is no lesion here to erase'],
} as const;

/** A place in world mm as text, with true minus signs. */
export function placeText(place: readonly [number, number, number]): string {
  const [x, y, z] = place.map((mm) => mm.toFixed(1).replace('-', '−'));
  return `x ${x}, y ${y}, z ${z} mm`;
}
