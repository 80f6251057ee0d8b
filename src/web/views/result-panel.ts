import { html, nothing, type TemplateResult } from 'lit-html';
import type { Lesion } from '../../imaging/evaluate/lesion-list.ts';
import type { ScanMetrics } from '../../imaging/evaluate/metrics.ts';
import { columnHeading, formatCell, METRIC_COLUMNS } from '../../imaging/evaluate/tables.ts';
import type { App } from '../app.ts';
import { isBusy, type State } from '../state.ts';

/** What was found: metrics where a truth is given, the lesions, and files to save. */
export function resultPanel(state: State, app: App): TemplateResult | typeof nothing {
  const { result } = state;
  if (!result) return nothing;
  const { lesions, metrics, threshold } = result;
  const ml = lesions.reduce((sum, lesion) => sum + lesion.ml, 0);
  const count = `${lesions.length} ${lesions.length === 1 ? 'lesion' : 'lesions'}`;
  return html`<section class="result" aria-labelledby="result">
    <div class="heading">
      <h2 id="result">${count}, ${ml.toFixed(2)} ml</h2>
      <div class="buttons">
        ${state.correcting ? nothing : html`<button ?disabled=${isBusy(state)} @click=${() => app.correction.start()}>Correct</button>`}
        <button @click=${() => app.save('mask')}>Save mask</button>
        <button @click=${() => app.save('probabilities')}>Save probabilities</button>
        <button @click=${() => app.save('report')}>Save report</button>
        ${result.truth === 'correction' ? html`<button @click=${() => app.save('correction')}>Save correction</button>` : nothing}
      </div>
    </div>
    <label class="field threshold">Threshold of the probability
      <input type="range" min="0.01" max="0.99" step="0.01" ?disabled=${isBusy(state)} .value=${String(threshold)} @input=${(
        event: Event,
      ) => app.run.setThreshold(Number((event.target as HTMLInputElement).value))}>
      <output>${threshold.toFixed(2)}</output>
    </label>
    ${result.notes.map((note) => html`<p class="hint">${note}</p>`)}
    ${metrics ? metricList(metrics, result.truth === 'correction') : nothing}
    ${lesions.length > 0 ? lesionRows(state, lesions, app) : html`<p>No lesion at this threshold.</p>`}
  </section>`;
}

function metricList(metrics: ScanMetrics, corrected: boolean): TemplateResult {
  return html`<h3>Agreement with ${corrected ? 'your correction' : 'the true mask'}</h3>
    <dl class="metrics">
      ${METRIC_COLUMNS.map(
        (column) =>
          html`<div><dt>${columnHeading(column)}</dt><dd>${formatCell(metrics[column.key], column)}</dd></div>`,
      )}
    </dl>`;
}

function lesionRows({ selectedLesion }: State, lesions: readonly Lesion[], app: App): TemplateResult {
  const truth = lesions.some(({ found }) => found !== undefined);
  const signed = (mm: number): string => mm.toFixed(0).replace('-', '−');
  return html`<div class="scroll" role="region" aria-label="Lesions" tabindex="0">
    <table>
      <caption><span>Largest first. Places in mm to the right, front and top. Choose a lesion to go there.</span></caption>
      <thead>
        <tr>
          <th scope="col">Lesion</th>
          <th scope="col" class="number">Volume (ml)</th>
          <th scope="col">Side</th>
          <th scope="col" class="number">Place (mm)</th>
          <th scope="col" class="number">Probability</th>
          ${truth ? html`<th scope="col">In the truth</th>` : nothing}
        </tr>
      </thead>
      <tbody>
        ${lesions.map(
          ({ number, ml, side, place, meanProbability, found }) =>
            html`<tr class=${number === selectedLesion ? 'selected' : ''}>
              <th scope="row"><button class="quiet" aria-pressed=${number === selectedLesion} @click=${() => app.view.showLesion(number)}>Lesion ${number}</button></th>
              <td class="number">${ml.toFixed(3)}</td>
              <td>${side}</td>
              <td class="number">${place.map(signed).join(', ')}</td>
              <td class="number">${meanProbability.toFixed(2)}</td>
              ${truth ? html`<td>${found ? 'yes' : 'no'}</td>` : nothing}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
