import { html, nothing, type TemplateResult } from 'lit-html';
import type { ScanMetrics } from '../../imaging/evaluate/metrics.ts';
import {
  CORRECTED_METRIC_COLUMNS,
  columnHeading,
  formatCell,
  METRIC_COLUMNS,
} from '../../imaging/evaluate/tables.ts';
import type { Part } from '../../imaging/results/parts.ts';
import type { App } from '../app.ts';
import { describeCorrection } from '../correction-text.ts';
import type { ResultReport } from '../protocol.ts';
import { isBusy, type State } from '../state.ts';

/** What was found: metrics where a truth is given, the lesions, and files to save. */
export function resultPanel(state: State, app: App): TemplateResult | typeof nothing {
  const { result } = state;
  if (!result) return nothing;
  const { lesions, metrics, threshold, label, labels } = result;
  const isLesion = label === 'lesion';
  const ml = lesions.reduce((sum, lesion) => sum + lesion.ml, 0);
  const parts = lesions.length === 1 ? 'part' : 'parts';
  const count = isLesion
    ? `${lesions.length} ${lesions.length === 1 ? 'lesion' : 'lesions'}`
    : `${label}: ${lesions.length} ${parts}`;
  return html`<section class="result" aria-labelledby="result">
    <div class="heading">
      <h2 id="result">${count}, ${ml.toFixed(2)} ml${result.correction ? ', corrected' : ''}</h2>
      <div class="buttons">
        ${state.correcting ? nothing : html`<button ?disabled=${isBusy(state)} @click=${() => app.correction.start()}>Correct</button>`}
        <button @click=${() => app.save('mask')}>${result.correction ? 'Save corrected mask' : 'Save mask'}</button>
        <button @click=${() => app.save('probabilities')}>Save probabilities</button>
        <button @click=${() => app.save('table')}>Save table</button>
        <button @click=${() => app.save('report')}>Save report</button>
        ${result.correction ? html`<button class="quiet" @click=${() => app.save('original')}>Save the model’s mask</button>` : nothing}
      </div>
    </div>
    ${labels.length > 1 ? labelChoice(state, labels, label, app) : nothing}
    ${threshold === null ? nothing : thresholdSlider(state, threshold, app)}
    ${result.ownThreshold === null ? nothing : html`<p class="hint">Training chose ${result.ownThreshold.toFixed(2)} on its own scans.</p>`}
    ${result.minDiameter === null ? nothing : smallestSize(state, result.minDiameter, app)}
    ${
      result.correction
        ? html`<p class="hint">The model’s mask, corrected by hand. ${describeCorrection(result.correction)} <button class="quiet" ?disabled=${isBusy(state)} @click=${() => app.correction.drop()}>Go back to the model’s mask</button></p>`
        : nothing
    }
    ${result.notes.map((note) => html`<p class="hint">${note}</p>`)}
    ${metrics ? metricList(metrics, result) : nothing}
    ${lesions.length > 0 ? lesionRows(state, lesions, app) : html`<p>${isLesion ? 'No lesion' : `No ${label}`}${threshold === null ? '' : ' at this threshold'}.</p>`}
  </section>`;
}

function labelChoice(state: State, labels: readonly string[], label: string, app: App): TemplateResult {
  const choose = (event: Event): void => app.run.setLabel((event.target as HTMLSelectElement).value);
  return html`<label class="field">Label
    <select ?disabled=${isBusy(state) || state.result?.correction != null} @change=${choose}>
      ${labels.map((name) => html`<option .selected=${name === label}>${name}</option>`)}
    </select>
  </label>`;
}

function thresholdSlider(state: State, threshold: number, app: App): TemplateResult {
  return html`<label class="field threshold">Threshold of the probability
      <input type="range" min="0.01" max="0.99" step="0.01" ?disabled=${isBusy(state) || state.result?.correction != null} .value=${String(threshold)} @input=${(
        event: Event,
      ) => app.run.setThreshold(Number((event.target as HTMLInputElement).value))}>
      <output>${threshold.toFixed(2)}</output>
    </label>`;
}

function smallestSize(state: State, minDiameter: number, app: App): TemplateResult {
  return html`<label class="field smallest">Smallest longest diameter (mm)
      <input type="number" min="0" max="50" step="0.5" ?disabled=${isBusy(state) || state.result?.correction != null} .value=${String(minDiameter)} @change=${(
        event: Event,
      ) => app.run.setMinDiameter((event.target as HTMLInputElement).valueAsNumber)}>
    </label>`;
}

function metricList(metrics: ScanMetrics, { truth, correction }: ResultReport): TemplateResult {
  return html`<h3>Agreement with the true mask</h3>
    ${truth === null ? nothing : html`<p class="hint">The reference is the file ${truth}. ${correction ? 'What is judged is the corrected mask.' : nothing}</p>`}
    <dl class="metrics">
      ${(correction ? CORRECTED_METRIC_COLUMNS : METRIC_COLUMNS).map(
        (column) =>
          html`<div><dt>${columnHeading(column)}</dt><dd>${formatCell(metrics[column.key], column)}</dd></div>`,
      )}
    </dl>`;
}

function lesionRows(state: State, lesions: readonly Part[], app: App): TemplateResult {
  const { selectedLesion, result } = state;
  const isLesion = result?.label === 'lesion';
  const regions = lesions.some(({ region }) => region !== undefined);
  const one = isLesion ? 'Lesion' : 'Part';
  const truth = lesions.some(({ found }) => found !== undefined);
  const signed = (mm: number): string => mm.toFixed(0).replace('-', '−');
  return html`<div class="scroll" role="region" aria-label=${isLesion ? 'Lesions' : 'Parts'} tabindex="0">
    <table>
      <caption><span>Largest first. Voxels that touch by a corner at least are of one ${isLesion ? 'lesion' : 'part'}. Places in mm to the right, front and top. Choose ${isLesion ? 'a lesion' : 'one'} to go there.</span></caption>
      <thead>
        <tr>
          <th scope="col">${one}</th>
          <th scope="col" class="number">Volume (ml)</th>
          <th scope="col" class="number">Diameter (mm)</th>
          ${regions ? html`<th scope="col">Region</th>` : nothing}
          <th scope="col">Side</th>
          <th scope="col" class="number">Place (mm)</th>
          <th scope="col" class="number">Probability</th>
          ${truth ? html`<th scope="col">In the truth</th>` : nothing}
          <th scope="col"><span class="visually-hidden">Remove</span></th>
        </tr>
      </thead>
      <tbody>
        ${lesions.map(
          ({ number, ml, diameter, region, side, place, meanProbability, found }) =>
            html`<tr class=${number === selectedLesion ? 'selected' : ''}>
              <th scope="row"><button class="quiet" aria-pressed=${number === selectedLesion} @click=${() => app.view.showLesion(number)}>${one} ${number}</button></th>
              <td class="number">${ml.toFixed(3)}</td>
              <td class="number">${diameter.toFixed(1)}</td>
              ${regions ? html`<td>${region ?? ''}</td>` : nothing}
              <td>${side}</td>
              <td class="number">${place.map(signed).join(', ')}</td>
              <td class="number">${meanProbability.toFixed(2)}</td>
              ${truth ? html`<td>${found ? 'yes' : 'no'}</td>` : nothing}
              <td><button class="quiet" ?disabled=${isBusy(state)} aria-label=${`Remove ${one.toLowerCase()} ${number}`} @click=${() => app.correction.removePart(number)}>Remove</button></td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
