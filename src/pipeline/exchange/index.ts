import { UsageError } from '../../core/errors.ts';
import type { ExportFormat } from './export-format.ts';
import { nnunet } from './nnunet/export.ts';
import { onnx } from './onnx/onnx.ts';
import { tfjs } from './tfjs/tfjs.ts';
import { torch } from './torch/torch.ts';

/** Every format that networks are written in. */
export const EXPORT_FORMATS: readonly ExportFormat[] = [onnx, torch, tfjs, nnunet];

/** The format of a name. @throws UsageError if there is none, listing those that exist. */
export function findFormat(name: string): ExportFormat {
  const found = EXPORT_FORMATS.find((format) => format.name === name);
  if (found) return found;
  throw new UsageError(`there is no format ${JSON.stringify(name)}`, {
    hint: `Formats are ${EXPORT_FORMATS.map((format) => format.name).join(', ')}.`,
  });
}
