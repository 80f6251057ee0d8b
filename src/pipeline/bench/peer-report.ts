import {
  type BenchReport,
  describeRun,
  fastestVariants,
  geometricMean,
  markdownTable,
  type PeerTime,
} from './report.ts';

/** A row that another engine ran, too. */
interface Compared {
  readonly kernel: string;
  readonly shape: string;
  readonly ms: number;
  readonly bestMs: number;
  readonly peers: Readonly<Record<string, PeerTime>>;
}

/** How the comparison is counted, in words. */
const RULES: readonly string[] = [
  'Times are milliseconds, the least and the median of several, ours and the peers’ of one run of the bench, one engine after the other; behind a peer’s stands how many times ours they are. Where several of our variants were timed, the one with the least median counts.',
  'The summary is the geometric mean over the shapes that a peer ran, of the least times and of the medians. On a machine that others use, too, the least times say more.',
  'Of a whole volume, a peer’s time is that of one tile times the number of tiles: cutting and blending are ours alone.',
  'What the peers run, and what they leave out, is told in bench/peers/README.md.',
];

/** Our times and the other engines’ side by side as Markdown: their geometric means, then each row. */
export function formatPeers(report: BenchReport): string {
  const rows = [...fastestVariants(report.rows), ...report.networks].filter(
    ({ peers }) => Object.keys(peers).length > 0,
  );
  const peers = [...new Set(rows.flatMap((row) => Object.keys(row.peers)))];
  const kernels = [...new Set(rows.map(({ kernel }) => kernel))];
  return `${[
    describeRun(report),
    '',
    ...markdownTable(
      ['kernel', ...peers],
      kernels.map((kernel) => {
        const own = rows.filter((row) => row.kernel === kernel);
        return [kernel, ...peers.map((peer) => describeMean(own, peer))];
      }),
    ),
    '',
    ...markdownTable(
      ['kernel', 'shape', 'voxelgrad', ...peers],
      rows.map((row) => [
        row.kernel,
        row.shape,
        describeTimes(row),
        ...peers.map((peer) => {
          const time = row.peers[peer];
          return time ? `${describeTimes(time)} (${describeRatios([ratiosOf(row, time)])})` : '';
        }),
      ]),
    ),
    '',
    ...RULES.map((rule) => `- ${rule}`),
  ].join('\n')}\n`;
}

/** `34x, 31x of 6`: the geometric means of a peer’s times over ours, and of how many rows. */
function describeMean(rows: readonly Compared[], peer: string): string {
  const ratios = rows.flatMap((row) => (row.peers[peer] ? [ratiosOf(row, row.peers[peer])] : []));
  return ratios.length === 0 ? '' : `${describeRatios(ratios)} of ${ratios.length}`;
}

/** Of the least times and of the medians. */
type Ratios = readonly [number, number];

function ratiosOf(own: PeerTime, peer: PeerTime): Ratios {
  return [peer.bestMs / own.bestMs, peer.ms / own.ms];
}

/** Their geometric means. */
function describeRatios(ratios: readonly Ratios[]): string {
  const mean = (i: 0 | 1): number => geometricMean(ratios.map((ratio) => ratio[i]));
  return `${digits(mean(0), 2)}x, ${digits(mean(1), 2)}x`;
}

function describeTimes({ ms, bestMs }: PeerTime): string {
  return `${digits(bestMs)}, ${digits(ms)}`;
}

/** Without powers of ten. */
function digits(value: number, count = 3): string {
  return String(Number(value.toPrecision(count)));
}
