import { describe, expect, it } from 'vitest';
import { filesBelow, readAll } from './sources.ts';

/** The kind that was there first: where it is named, code is likely to be written for it alone. */
const NAME = /unet/gi;
/** Other words with these letters: other kinds, the fields of nnU-Net's files, and the title of the paper and its method. */
const OTHERS =
  /nnunet|architectures\.unet|unet-regression|PlainConvUNet|ResidualEncoderUNet|UNet_\w+|unet_max_num_features|3D-UNET|UNET-Based/gi;
/** The room of the networks with its registry, and the presets. */
const ROOMS = ['src/engine/nn/networks/', 'src/study/presets/'];

/** `path:line` of each mention outside the rooms. */
function mentions(files: ReadonlyMap<string, string>): string[] {
  return [...files]
    .filter(([path]) => !ROOMS.some((room) => path.startsWith(room)))
    .flatMap(([path, text]) =>
      text
        .split('\n')
        .flatMap((line, i) => (line.replace(OTHERS, '').match(NAME) ? [`${path}:${i + 1}`] : [])),
    );
}

describe('the U-Net', () => {
  it('is named nowhere but in the room of the networks and in the presets', () => {
    const paths = filesBelow('src', '.ts').filter((path) => !path.endsWith('.generated.ts'));
    expect(paths.length).toBeGreaterThan(200);
    expect(mentions(readAll(paths))).toEqual([]);
  });

  it('is found by the check', () => {
    const text = "const a = 1;\nif (kind === 'unet') { new UNet3d(); }";
    expect(mentions(new Map([['src/engine/tune/a.ts', text]]))).toEqual(['src/engine/tune/a.ts:2']);
    expect(mentions(new Map([['src/study/presets/a.ts', text]]))).toEqual([]);
    expect(mentions(new Map([['src/cli/a.ts', "'nnunet', '3D-UNET'"]]))).toEqual([]);
  });
});
