import { describe, expect, it } from 'vitest';
import { type Key, keyAction, placeText } from '../../src/web/keys.ts';

const press = (key: string, held: Partial<Key> = {}): Key => ({
  key,
  shiftKey: false,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...held,
});

describe('keys on the image', () => {
  it('move the crosshair the way the plane lies on the screen', () => {
    const by = (key: string, layout: Parameters<typeof keyAction>[1], held?: Partial<Key>): unknown =>
      keyAction(press(key, held), layout);
    // Radiological: the patient's right is on the left.
    expect(by('ArrowLeft', 'axial')).toEqual({ kind: 'move', by: [1, 0, 0] });
    expect(by('ArrowUp', 'planes')).toEqual({ kind: 'move', by: [0, 1, 0] });
    expect(by('PageDown', 'axial')).toEqual({ kind: 'move', by: [0, 0, -1] });
    expect(by('ArrowRight', 'coronal')).toEqual({ kind: 'move', by: [-1, 0, 0] });
    expect(by('ArrowDown', 'coronal')).toEqual({ kind: 'move', by: [0, 0, -1] });
    expect(by('PageUp', 'coronal')).toEqual({ kind: 'move', by: [0, 1, 0] });
    expect(by('ArrowRight', 'sagittal')).toEqual({ kind: 'move', by: [0, 1, 0] });
    expect(by('PageUp', 'sagittal', { shiftKey: true })).toEqual({ kind: 'move', by: [10, 0, 0] });
  });

  it('turn the render, draw, and take back', () => {
    expect(keyAction(press('ArrowLeft'), 'render')).toEqual({ kind: 'turn', by: [-5, 0] });
    expect(keyAction(press('PageUp'), 'render')).toBeUndefined();
    expect(keyAction(press('P'), 'axial')).toEqual({ kind: 'draw', tool: 'paint' });
    expect(keyAction(press('e'), 'axial')).toEqual({ kind: 'draw', tool: 'erase' });
    expect(keyAction(press('z', { metaKey: true }), 'axial')).toEqual({ kind: 'undo' });
  });

  it('go to the next part and back, and take one out', () => {
    expect(keyAction(press('n'), 'axial')).toEqual({ kind: 'lesion', by: 1 });
    expect(keyAction(press('B'), 'render')).toEqual({ kind: 'lesion', by: -1 });
    expect(keyAction(press('Delete'), 'planes')).toEqual({ kind: 'remove' });
    expect(keyAction(press('n', { ctrlKey: true }), 'axial')).toBeUndefined();
  });

  it('leave all others to the browser', () => {
    for (const key of ['Tab', 'Enter', 'Escape', 'h', 'z', '?'])
      expect(keyAction(press(key), 'axial')).toBeUndefined();
    expect(keyAction(press('p', { ctrlKey: true }), 'axial')).toBeUndefined();
    expect(keyAction(press('ArrowLeft', { altKey: true }), 'axial')).toBeUndefined();
  });

  it('say where they led', () => {
    expect(placeText([-0.04, 12, -3.25])).toBe('x −0.0, y 12.0, z −3.3 mm');
  });
});
