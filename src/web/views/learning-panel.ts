import { html, nothing, svg, type TemplateResult } from 'lit-html';
import type { App } from '../app.ts';
import type { LearningReport, LearningScanReport, LearningUse } from '../protocol.ts';
import { isBusy, type State, type TuningState } from '../state.ts';
import { mean, smoothed } from './format.ts';
import { problemNote } from './problem-note.ts';

const DEFAULT_STEPS = 100;

const USE_LABELS: Readonly<Record<LearningUse, string>> = { learn: 'learn from', aside: 'keep aside' };

/** The fourth step: scans to learn from and to judge by, and training the model on with them. */
export function learningPanel(state: State, app: App): TemplateResult {
  const { learning, learningProblem, tuning } = state;
  const scans = learning?.scans ?? [];
  return html`<section aria-labelledby="learning">
    <h2 id="learning">4. Learn</h2>
    <p class="hint">Trains the model on with scans that were corrected, or have a true mask. A scan kept aside is not learned from: its Dice shows whether the model got better.${learning?.kept === false ? ' This browser keeps nothing: all of it ends with the tab.' : ''}</p>
    ${adding(state, app)}
    ${
      scans.length > 0
        ? html`<ul class="files" aria-label="Scans to learn from">
            ${scans.map((scan) => scanRow(scan, isBusy(state) || isPaused(learning), app))}
          </ul>`
        : nothing
    }
    ${tuning ? running(tuning, app) : resting(state, app)} ${problemNote(learningProblem)}
  </section>`;
}

function isPaused(learning: LearningReport | null): boolean {
  return learning?.run != null && !learning.run.finished;
}

function adding(state: State, app: App): TemplateResult {
  const { files, result, learning } = state;
  const truth =
    (result?.correction ?? null) !== null ||
    (files?.files ?? []).some(({ role, problem }) => role === 'lesions' && !problem);
  const locked = !truth || isBusy(state) || isPaused(learning);
  const add = (use: LearningUse): void => void app.learning.change('keepScan', use);
  return html`<div class="buttons learning">
    <button ?disabled=${locked} @click=${() => add('learn')}>Learn from this scan</button>
    <button ?disabled=${locked} @click=${() => add('aside')}>Keep it aside</button>
  </div>`;
}

function scanRow(scan: LearningScanReport, locked: boolean, app: App): TemplateResult {
  const { id, name, use, diceBefore, diceAfter } = scan;
  const choose = (event: Event): void => {
    const { value } = event.target as HTMLSelectElement;
    void app.learning.change('setUse', { id, use: value as LearningUse });
  };
  const shown = (dice: number | null): string => dice?.toFixed(3) ?? '…';
  return html`<li>
    <div class="file">
      <span class="name" title=${name}>${name}</span>
      <button class="quiet" aria-label=${`Forget ${name}`} ?disabled=${locked} @click=${() => app.learning.change('forgetScan', id)}>Forget</button>
    </div>
    <div class="file-role">
      <select aria-label=${`What ${name} is for`} ?disabled=${locked} @change=${choose}>
        ${(['learn', 'aside'] as const).map((value) => html`<option value=${value} .selected=${value === use}>${USE_LABELS[value]}</option>`)}
      </select>
      ${diceBefore === null ? nothing : html`<span class="dice">Dice ${shown(diceBefore)} → ${shown(diceAfter)}</span>`}
    </div>
  </li>`;
}

const PHASES = {
  before: 'Judging the model by the scans kept aside',
  threshold: 'Choosing the threshold',
  after: 'Judging what was learned',
} as const;

function running(tuning: TuningState, app: App): TemplateResult {
  const { losses, steps, phase, note } = tuning;
  const last = losses.at(-1);
  const text = phase
    ? `${PHASES[phase.name]}…`
    : last === undefined
      ? 'Preparing the scans and compiling the kernels…'
      : `Step ${losses.length} of ${steps}, loss ${last.toFixed(3)}`;
  const share = phase ? phase.share : last === undefined ? nothing : losses.length / steps;
  return html`<div class="tuning">
      <progress aria-label="Fine-tuning" max="1" value=${share}></progress>
      <p class="tiles">${text}</p>
      <button @click=${() => app.learning.pause()}>Pause</button>
    </div>
    ${note ? html`<p class="hint" role="status">${note}</p>` : nothing} ${lossCurve(losses, steps)}`;
}

function resting(state: State, app: App): TemplateResult {
  const { learning, model } = state;
  const locked = isBusy(state);
  const run = learning?.run ?? null;
  if (run && !run.finished)
    return html`<p role="status" class="status">Paused at step ${run.losses.length} of ${run.steps}. It can be resumed here, also after the tab was closed.</p>
      <div class="buttons learning">
        <button class="accent" ?disabled=${locked} @click=${() => app.learning.tune('resumeTuning', null)}>Resume</button>
        <button ?disabled=${locked || run.losses.length === 0} @click=${() => app.learning.tune('finishTuning', null)}>Use it as it is</button>
        <button ?disabled=${locked} @click=${() => app.learning.change('discardTuning', null)}>Discard</button>
      </div>
      ${lossCurve(run.losses, run.steps)}`;
  const start = (event: Event): void => {
    event.preventDefault();
    const { value } = (event.target as HTMLFormElement).elements.namedItem('steps') as HTMLInputElement;
    void app.learning.tune('fineTune', { steps: Number(value) });
  };
  const ready = model !== null && (learning?.scans ?? []).some(({ use }) => use === 'learn');
  return html`<form class="learning" @submit=${start}>
      <label class="field">Steps<input type="number" name="steps" min="1" max="10000" step="1" value=${DEFAULT_STEPS} required></label>
      <button ?disabled=${locked || !ready}>Fine-tune</button>
      ${run && model?.name === run.model ? html`<button type="button" @click=${() => app.save('model')}>Save model</button>` : nothing}
    </form>
    ${
      run
        ? html`<p role="status" class="status">${run.losses.length} steps learned: ${run.model}.</p>
            ${lossCurve(run.losses, run.steps)}`
        : nothing
    }`;
}

function lossCurve(losses: readonly number[], steps: number): TemplateResult | typeof nothing {
  if (losses.length < 2) return nothing;
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
  return html`<div class="chart">
      <span class="scale">${high.toFixed(3)}</span>
      <svg class="curve" viewBox="0 0 560 90" preserveAspectRatio="none" role="img" aria-label=${label}>${svg`<path d=${path}></path>`}</svg>
      <span class="scale low">${low.toFixed(3)}</span>
      <span class="steps-from">Step 1</span><span class="steps-to">${steps}</span>
    </div>
    <p class="hint">${label}.</p>`;
}
