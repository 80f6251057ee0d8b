import { type BenchReport, describeRun, markdownTable, type PeerTime } from './report.ts';

/** A row that another engine ran, too. */
interface Compared {
  readonly kernel: string;
  readonly shape: string;
  readonly ms: number;
  readonly peers: Readonly<Record<string, PeerTime>>;
}

/** How the comparison is counted, in words. */
const RULES: readonly string[] = [
  'Times are medians in milliseconds, ours and the peers’ of one run of the bench, one engine after the other; behind a peer’s stands how many times ours it is. Where several of our variants were timed, the fastest counts.',
  'The summary is the geometric mean over the shapes that a peer ran.',
  'Of a whole volume, a peer’s time is that of one tile times the number of tiles: cutting and blending are ours alone.',
  'What the peers run, and what they leave out, is told in bench/peers/README.md.',
];

/** Our times and the other engines’ side by side as Markdown: their geometric means, then each row. */
export function formatPeers(report: BenchReport): string {
  const rows = [...fastest(report.rows), ...report.networks].filter(
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
      ['kernel', 'shape', 'voxelgrad ms', ...peers],
      rows.map((row) => [
        row.kernel,
        row.shape,
        digits(row.ms),
        ...peers.map((peer) => {
          const ratio = ratioOf(row, peer);
          return ratio === undefined ? '' : `${digits(row.peers[peer]!.ms)} (${digits(ratio, 2)}x)`;
        }),
      ]),
    ),
    '',
    ...RULES.map((rule) => `- ${rule}`),
  ].join('\n')}\n`;
}

/** `34x of 6`: the geometric mean of a peer’s times over ours, and of how many rows. */
function describeMean(rows: readonly Compared[], peer: string): string {
  const ratios = rows.flatMap((row) => ratioOf(row, peer) ?? []);
  if (ratios.length === 0) return '';
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  return `${digits(mean, 2)}x of ${ratios.length}`;
}

function ratioOf({ ms, peers }: Compared, peer: string): number | undefined {
  const time = peers[peer]?.ms;
  return time === undefined ? undefined : time / ms;
}

function fastest(rows: BenchReport['rows']): Compared[] {
  const best = new Map<string, Compared>();
  for (const row of rows) {
    const name = `${row.kernel} ${row.shape}`;
    const old = best.get(name);
    if (!old || row.ms < old.ms) best.set(name, row);
  }
  return [...best.values()];
}

/** Without powers of ten. */
function digits(value: number, count = 3): string {
  return String(Number(value.toPrecision(count)));
}
