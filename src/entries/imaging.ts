/**
 * Images: volumes, NIfTI files, data sets, tissue maps and the report of a scan.
 *
 * @module
 */

export { type CorrectedImage, correctBias } from '../imaging/bias/correct-bias.ts';
export {
  commonModalities,
  type Dataset,
  findScans,
  findSubject,
  type Scan,
  type Subject,
  scanName,
  type TissuePaths,
} from '../imaging/dataset/dataset.ts';
export { FILE_ROLES, type FileRole, guessRole } from '../imaging/dataset/file-role.ts';
export { type Fold, patientFolds } from '../imaging/dataset/folds.ts';
export {
  type Channel,
  type LoadedScan,
  type LoadScanOptions,
  loadScan,
  loadStoredScan,
  withInputMaps,
} from '../imaging/dataset/load-scan.ts';
export { type LooseScan, scanOfFiles } from '../imaging/dataset/loose-files.ts';
export { openDataset } from '../imaging/dataset/open-dataset.ts';
export { type PredictionKind, predictionPath } from '../imaging/dataset/prediction-path.ts';
export {
  type ChannelStatistics,
  type PreparedScan,
  type PreprocessOptions,
  preprocess,
} from '../imaging/dataset/preprocess.ts';
export type { RaterChoice } from '../imaging/dataset/raters.ts';
export { type ResampledScan, resampleScan, type ScanVoxels } from '../imaging/dataset/resample-scan.ts';
export type { TargetRequest, TargetSource } from '../imaging/dataset/targets.ts';
export { withTissues } from '../imaging/dataset/tissue-files.ts';
export type { TissueMaps } from '../imaging/dataset/tissue-maps.ts';
export { TISSUES } from '../imaging/dataset/tissue-maps.ts';
export { chooseSeries, type DicomConverter, type DicomSeries, readSeries } from '../imaging/dicom/series.ts';
export type { NiftiSource } from '../imaging/nifti/body.ts';
export type { NiftiDatatype, WritableDatatype } from '../imaging/nifti/datatype.ts';
export {
  ESTIMATE_INTENT,
  encodeNifti,
  LABEL_INTENT,
  type NiftiIntent,
  type NiftiStorage,
} from '../imaging/nifti/encode.ts';
export type { AffineSource, NiftiHeader } from '../imaging/nifti/header.ts';
export {
  type NiftiImage,
  type ReadNiftiOptions,
  readMask,
  readNifti,
  readVoxels,
} from '../imaging/nifti/read.ts';
export {
  type PlaneVolume,
  type WriteNiftiOptions,
  writeNifti,
  writeNiftiPlanes,
} from '../imaging/nifti/write.ts';
export { readItkTransform, writeItkTransform } from '../imaging/register/itk-transform.ts';
export { gpuComparison } from '../imaging/register/joint-histogram.ts';
export { type RegisterOptions, type Registration, registerVolumes } from '../imaging/register/register.ts';
export { tableCsv, tableMarkdown } from '../imaging/report/table-files.ts';
export { type ScanReportData, scanReport } from '../imaging/results/scan-report.ts';
export { correctTissues } from '../imaging/tissue/correct-tissues.ts';
export {
  type MakeTissuesRequest,
  makeTissues,
  readPrior,
  type TissueMethod,
  type TissuePriors,
} from '../imaging/tissue/make-tissues.ts';
export { type SegmentTissuesOptions, segmentTissues } from '../imaging/tissue/segment-tissues.ts';
export { type WrittenTissues, writeTissueDerivative, writeTissues } from '../imaging/tissue/write-tissues.ts';
export {
  type Components,
  type Connectivity,
  fillHoles,
  labelComponents,
  largestComponent,
} from '../imaging/volume/components.ts';
export { type Box, boundingBox, crop, cropGrid, uncrop } from '../imaging/volume/crop.ts';
export { type AxisOrder, orientationOf, reorient, toCanonical } from '../imaging/volume/orientation.ts';
export { type Interpolation, resample } from '../imaging/volume/resample.ts';
export { movedGrid, resampleSpline } from '../imaging/volume/resample-spline.ts';
export { resize, resizedGrid } from '../imaging/volume/resize.ts';
export {
  axisAlignedGrid,
  describeGrid,
  type Grid,
  gridFromAffine,
  sameGrid,
  toWorld,
  type Volume,
  voxelCount,
  voxelVolume,
  worldToVoxel,
} from '../imaging/volume/volume.ts';
