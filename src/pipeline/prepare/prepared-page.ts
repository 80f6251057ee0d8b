import type { FileStore } from '../../core/files.ts';
import type { Json } from '../../core/json.ts';
import { sidecarPath } from '../../imaging/dataset/sidecar.ts';
import { readRatings } from '../../imaging/results/cohort.ts';
import { type QcScan, qcPage } from '../../imaging/results/qc-page.ts';
import type { Prepared } from './prepare.ts';
import { preparedPaths } from './prepared-files.ts';

const USUAL = { score: 0, by: null, z: 0 } as const;

/**
 * Writes the page for quality control of prepared scans: those that failed first, with the reason.
 * @param page the file's name
 */
export async function writePreparedPage(
  out: FileStore,
  { scans, failed }: Prepared,
  version: string,
  page: string,
): Promise<void> {
  const rows: QcScan[] = failed.map(({ subject, session, error, picture }) => ({
    summary: {
      ...{ subject, session, labels: [], sidecar: {} },
      warnings: [`not prepared: ${error.message}`, ...(error.hint === undefined ? [] : [error.hint])],
    },
    outlying: USUAL,
    picture,
  }));
  for (const scan of scans) {
    const { subject, session, warnings } = scan;
    const text = new TextDecoder().decode(await out.read(sidecarPath(scan.images.get('FLAIR')!)));
    const sidecar = JSON.parse(text) as Record<string, Json>;
    const { picture } = preparedPaths(scan);
    rows.push({
      summary: { subject, session, labels: [], warnings, sidecar },
      outlying: USUAL,
      picture: await out.read(picture).catch(() => undefined),
    });
  }
  const ratings = await readRatings(out);
  await out.write(page, await qcPage({ name: out.name, scans: rows, ratings, version }));
}
