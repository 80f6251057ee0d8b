import type { DicomConverter } from '../imaging/dicom/series.ts';

/** Folders in the converter's own file system, which is memory. */
const [INPUT, OUTPUT] = ['/input', '/output'];

/** What is used of the module that Emscripten makes. */
interface Dcm2niix {
  readonly FS: {
    mkdir(path: string): void;
    writeFile(path: string, data: Uint8Array): void;
    readFile(path: string): Uint8Array;
    readdir(path: string): string[];
  };
  callMain(options: string[]): number;
}

/**
 * dcm2niix as WebAssembly (@niivue/dcm2niix, with JPEG-LS and JPEG 2000), offline. Every call makes its own instance, so nothing stays of the last.
 */
export const dcm2niix: DicomConverter = async (files, options) => {
  // The package's entry is for pages and wants a worker; its module lies beside it.
  const entry = import.meta.resolve('@niivue/dcm2niix');
  const { default: create } = (await import(new URL('./dcm2niix.jpeg.js', entry).href)) as {
    default: (options: object) => Promise<Dcm2niix>;
  };
  const log: string[] = [];
  const note = (line: string): void => {
    log.push(line);
  };
  const module = await create({ print: note, printErr: note });
  module.FS.mkdir(INPUT!);
  module.FS.mkdir(OUTPUT!);
  for (const [i, file] of files.entries()) module.FS.writeFile(`${INPUT}/${i}.dcm`, file);
  const status = module.callMain([...options, '-o', OUTPUT!, INPUT!]);
  const out = module.FS.readdir(OUTPUT!)
    .filter((name) => !name.startsWith('.'))
    .map((name) => ({ name, bytes: module.FS.readFile(`${OUTPUT}/${name}`) }));
  return { files: out, log, status };
};
