import { html, nothing, svg, type TemplateResult } from 'lit-html';
import type { App } from '../app.ts';
import { isBusy, type State, type TuningState } from '../state.ts';
import { mean, smoothed } from './format.ts';

const DEFAULT_STEPS = 100;

/** Training on, on the scan that is shown: a few steps, with the loss as it goes. */
export function learningPanel(state: State, app: App): TemplateResult | typeof nothing {
  const { result, tuning } = state;
  if (!result?.truth) return nothing;
  const locked = isBusy(state);
  const start = (event: Event): void => {
    event.preventDefault();
    const { value } = (event.target as HTMLFormElement).elements.namedItem('steps') as HTMLInputElement;
    void app.fineTune(Number(value));
  };
  return html`<h3>Learn from this scan</h3>
    <p class="hint">Trains the model on, on this scan and ${result.truth === 'correction' ? 'your correction' : 'its true mask'}. Agreement with the same scan says nothing about other patients.</p>
    ${
      tuning?.controller
        ? html`<div class="learning"><p role="status">Step ${tuning.losses.length} of ${tuning.steps}${lossText(tuning)}</p><button @click=${() => app.stopTuning()}>Stop and keep</button></div>`
        : html`<form class="learning" @submit=${start}>
            <label class="field">Steps<input type="number" name="steps" min="1" max="10000" step="1" value=${DEFAULT_STEPS} required></label>
            <button ?disabled=${locked}>Fine-tune</button>
            ${tuning ? html`<button type="button" @click=${() => app.save('model')}>Save model</button>` : nothing}
          </form>`
    }
    ${tuning && tuning.losses.length > 1 ? lossCurve(tuning) : nothing}
    ${
      tuning && !tuning.controller
        ? html`<p role="status">${tuning.losses.length} steps learned${tuning.diceBefore === null ? '' : `; Dice before them was ${tuning.diceBefore.toFixed(3)}`}. Segment again to see what changed.</p>`
        : nothing
    }`;
}

function lossText({ losses }: TuningState): string {
  const last = losses.at(-1);
  return last === undefined ? '' : `, loss ${last.toFixed(3)}`;
}

function lossCurve({ losses, steps }: TuningState): TemplateResult {
  const points = smoothed(losses);
  const high = Math.max(...points);
  const low = Math.min(...points);
  const reached = losses.length / steps;
  const x = (i: number): number => (points.length < 2 ? 0 : (i / (points.length - 1)) * 560 * reached);
  const y = (loss: number): number => 86 - ((loss - low) / (high - low || 1)) * 82;
  const path = points
    .map((loss, i) => `${i === 0 ? 'M' : 'L'}${x(i).toFixed(1)} ${y(loss).toFixed(1)}`)
    .join('');
  const quarter = Math.ceil(losses.length / 4);
  const [first, last] = [mean(losses.slice(0, quarter)), mean(losses.slice(-quarter))];
  const label = `Mean loss of the first quarter ${first.toFixed(3)}, of the last ${last.toFixed(3)}`;
  return html`<svg class="curve" viewBox="0 0 560 90" preserveAspectRatio="none" role="img" aria-label=${label}>${svg`<path d=${path}></path>`}</svg>
    <p class="hint">${label}.</p>`;
}
