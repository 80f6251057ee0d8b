import type { Estimate } from '../../imaging/evaluate/bootstrap.ts';
import { html, type Markup } from '../../imaging/report/html.ts';

/** What one variant reached: its mean over patients, and each patient's own value. */
export interface ChartGroup {
  readonly label: string;
  readonly estimate: Estimate;
  readonly byPatient: ReadonlyMap<string, number>;
}

const WIDTH = 360;
const HEIGHT = 230;
const PLOT = { left: 34, right: 352, top: 26, bottom: 198 } as const;
/** The mean stands beside the patients' points, in pixels. */
const ASIDE = 14;

/**
 * Every patient's value with each of some variants as SVG: points, with thin lines that join those of one patient, and
 * beside them the mean with its interval. Few patients are to be seen one by one, and what is paired as paired.
 *
 * @param title what the picture shows, for readers who cannot see it
 * @param groups of values from 0 to 1
 */
export function patientChart(groups: readonly ChartGroup[], title: string): Markup {
  const values = groups.flatMap(({ byPatient, estimate }) => [...byPatient.values(), estimate.high]);
  const most = Math.max(0, ...values.filter(Number.isFinite));
  const top = Math.min(1, Math.max(0.2, Math.ceil(most * 5 - 1e-9) / 5));
  const ticks = Array.from({ length: Math.round(top * 5) + 1 }, (_, i) => i / 5);
  const px = (group: number): number =>
    PLOT.left + ((group + 0.5) * (PLOT.right - PLOT.left)) / groups.length - ASIDE / 2;
  const py = (value: number): string => (PLOT.bottom - (value / top) * (PLOT.bottom - PLOT.top)).toFixed(1);
  const patients = [...new Set(groups.flatMap(({ byPatient }) => [...byPatient.keys()]))].sort();
  const line = (patient: string): string =>
    groups
      .flatMap(({ byPatient }, g) => {
        const value = byPatient.get(patient);
        return value === undefined ? [] : [`${px(g).toFixed(1)} ${py(value)}`];
      })
      .join('L');
  const told = groups.map(({ label, estimate }) => `${label} ${estimate.mean.toFixed(3)}`).join(', ');
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}: ${patients.length} patients, means ${told}" font-size="12" fill="var(--quiet, #56626f)">
<text x="0" y="12">Dice</text>
${ticks.map(
  (tick) => html`<path d="M${PLOT.left} ${py(tick)}H${PLOT.right}" stroke="var(--line, #d5dbe1)"/>
<text x="${PLOT.left - 6}" y="${(Number(py(tick)) + 4).toFixed(1)}" text-anchor="end">${tick.toFixed(1)}</text>
`,
)}${patients.map(
  (
    patient,
  ) => html`<path d="M${line(patient)}" fill="none" stroke="var(--raw, #9db8d6)"><title>${patient}</title></path>
`,
)}${groups.map(({ label, estimate, byPatient }, g) => {
  const x = px(g).toFixed(1);
  const mean = (px(g) + ASIDE).toFixed(1);
  const { low, high } = estimate;
  return html`${[...byPatient].map(
    ([
      patient,
      value,
    ]) => html`<circle cx="${x}" cy="${py(value)}" r="3" fill="var(--raw, #9db8d6)"><title>${patient} ${value.toFixed(3)}</title></circle>
`,
  )}${
    Number.isFinite(low) &&
    html`<path d="M${mean} ${py(low)}V${py(high)}" stroke="var(--curve, #0a5fb4)" stroke-width="2"/>
`
  }<circle cx="${mean}" cy="${py(estimate.mean)}" r="4.5" fill="var(--curve, #0a5fb4)"/>
<text x="${x}" y="${PLOT.bottom + 20}" text-anchor="middle">${label}</text>
`;
})}</svg>`;
}
