import { canonicalJson } from '../../core/json.ts';

/** The file that says what a folder of BIDS holds. */
export const DESCRIPTION_FILE = 'dataset_description.json';

/**
 * What BIDS wants of a folder of derivatives; a later run tells predictions from truth by it.
 * @param name of the content: `voxelgrad predictions`
 * @param version of voxelgrad
 */
export function derivativeDescription(name: string, version: string): Uint8Array {
  const content = {
    Name: name,
    BIDSVersion: '1.9.0',
    DatasetType: 'derivative',
    GeneratedBy: [{ Name: 'voxelgrad', Version: version }],
  };
  return new TextEncoder().encode(`${canonicalJson(content, 2)}\n`);
}
