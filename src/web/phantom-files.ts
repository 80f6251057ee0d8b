import { MemoryFiles } from '../core/files.ts';

/** A synthetic patient as files, in the layout of phantoms. */
export async function phantomFiles(seed: number): Promise<{ path: string; file: File }[]> {
  const { writePhantomDataset } = await import('../study/phantom/index.ts');
  const files = new MemoryFiles();
  await writePhantomDataset(files, {
    seed,
    subjects: 1,
    visits: 1,
    shape: [91, 109, 91],
    spacing: [2, 2, 2],
  });
  return [...files.files].map(([path, bytes]) => ({
    path: `phantom/${path}`,
    file: new File([bytes as Uint8Array<ArrayBuffer>], path.split('/').at(-1)!),
  }));
}
