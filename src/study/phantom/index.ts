/** Made-up brain scans with multiple-sclerosis lesions, for demonstrations and tests. */
export { MODALITIES, type Modality } from './contrasts.ts';
export { makePhantom, type Phantom, type PhantomOptions, PhantomSubject } from './phantom.ts';
export {
  type PhantomDatasetOptions,
  type PhantomProgress,
  type WrittenScan,
  writePhantomDataset,
} from './write.ts';
