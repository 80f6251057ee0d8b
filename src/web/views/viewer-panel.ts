import { html, nothing, type TemplateResult } from 'lit-html';
import { shownImages } from '../actions/view.ts';
import type { App } from '../app.ts';
import { keyAction, placeText } from '../keys.ts';
import type { ResultReport } from '../protocol.ts';
import type { CorrectingState, State, ViewState } from '../state.ts';
import type { Tool, ViewLayout } from '../viewer.ts';
import { problemNote } from './problem-note.ts';

const LAYOUTS: readonly (readonly [ViewLayout, string])[] = [
  ['planes', 'Planes and 3D'],
  ['axial', 'Axial'],
  ['coronal', 'Coronal'],
  ['sagittal', 'Sagittal'],
  ['render', '3D'],
];

/** The scan in three planes and 3D. */
export function viewerPanel(state: State, app: App): TemplateResult {
  const { view, viewProblem } = state;
  return html`<section class="viewer" aria-labelledby="viewer">
    <h2 id="viewer" class="visually-hidden">Viewer</h2>
    ${view ? toolbar(state, view, app) : nothing}
    <div class=${view ? 'canvas' : 'canvas empty'} @keydown=${view ? keyListener(view, app) : nothing} @keyup=${KEY_UPS}>
      ${view ? nothing : html`<p>The scan appears here: three planes and 3D, with what was found on top.</p>`}
      <canvas ?hidden=${!view} tabindex="0" role="application" aria-label="The scan" aria-describedby="keys"></canvas>
    </div>
    ${state.correcting ? drawingTools(state.correcting, view, app) : nothing} ${view ? readout(view) : nothing} ${problemNote(viewProblem)}
  </section>`;
}

/** Before the canvas has it: NiiVue's own keys do other things, some of them only while the mouse is over it. */
function keyListener(
  { layout }: ViewState,
  app: App,
): { handleEvent(event: KeyboardEvent): void; capture: boolean } {
  return {
    capture: true,
    handleEvent(event) {
      event.stopPropagation();
      const action = keyAction(event, layout);
      if (!action) return;
      event.preventDefault();
      void app.pressKey(action);
    },
  };
}

const KEY_UPS = { capture: true, handleEvent: (event: KeyboardEvent): void => event.stopPropagation() };

function toolbar({ files, result, correcting }: State, view: ViewState, app: App): TemplateResult {
  const images = files ? shownImages(files) : [];
  const [low, high] = view.range;
  const [black, white] = view.window;
  const step = (high - low) / 500 || 0.001;
  const number = (event: Event): number => Number((event.target as HTMLInputElement).value);
  return html`<div class="toolbar">
    <label class="field">Image
      <select ?disabled=${correcting !== null} @change=${(event: Event) => app.view.showImage((event.target as HTMLSelectElement).value)}>
        ${images.map(({ path, role }) => html`<option value=${path} .selected=${path === view.image}>${role}</option>`)}
      </select>
    </label>
    <label class="field">View
      <select @change=${(event: Event) => app.view.setLayout((event.target as HTMLSelectElement).value as ViewLayout)}>
        ${LAYOUTS.map(([value, label]) => html`<option value=${value} .selected=${value === view.layout}>${label}</option>`)}
      </select>
    </label>
    <label class="field">Black
      <input type="range" min=${low} max=${high} step=${step} .value=${String(black)} @input=${(event: Event) => app.view.setWindow([Math.min(number(event), white), white])}>
    </label>
    <label class="field">White
      <input type="range" min=${low} max=${high} step=${step} .value=${String(white)} @input=${(event: Event) => app.view.setWindow([black, Math.max(number(event), black)])}>
    </label>
    ${result && !correcting ? overlayControls(view, result, app) : nothing}
  </div>`;
}

function overlayControls({ opacity, parts }: ViewState, result: ResultReport, app: App): TemplateResult {
  const toggle = (part: 'truth' | 'prediction', label: string, kind: string): TemplateResult =>
    html`<label class="check"><input type="checkbox" .checked=${parts[part]} @change=${(event: Event) =>
      app.view.setOverlay(opacity, {
        ...parts,
        [part]: (event.target as HTMLInputElement).checked,
      })}><i class=${kind}></i>${label}</label>`;
  return html`<label class="field">Overlay
      <input type="range" min="0" max="1" step="0.05" .value=${String(opacity)} @input=${(event: Event) =>
        app.view.setOverlay(Number((event.target as HTMLInputElement).value), parts)}>
    </label>
    <div class="checks">
      ${toggle('prediction', result.correction ? 'Corrected mask' : 'Prediction', 'extra')}
      ${result.metrics ? html`${toggle('truth', 'Truth', 'missed')}<span class="check"><i class="found"></i>Both</span>` : nothing}
    </div>`;
}

const TOOLS: readonly (readonly [Tool, string])[] = [
  ['paint', 'Paint'],
  ['erase', 'Erase'],
  ['look', 'Look around'],
];

/** `3 voxels (2.2 × 2.2 × 12.0 mm)`; one number if the edges are equal. */
function brushText(size: number, view: ViewState | null): string {
  const edges = (view?.voxel ?? []).map((mm) => (mm * size).toFixed(1));
  const mm = edges.every((edge) => edge === edges[0]) ? edges.slice(0, 1) : edges;
  return `${size} ${size === 1 ? 'voxel' : 'voxels'}${mm.length > 0 ? ` (${mm.join(' × ')} mm)` : ''}`;
}

function drawingTools({ tool, size }: CorrectingState, view: ViewState | null, app: App): TemplateResult {
  return html`<div class="drawing" role="group" aria-label="Correct the mask">
    <div class="checks">
      ${TOOLS.map(
        ([value, label]) =>
          html`<label class="check"><input type="radio" name="tool" .checked=${value === tool} @change=${() => app.correction.setTool(value, size)}>${label}</label>`,
      )}
    </div>
    <label class="field">Brush, ${brushText(size, view)}
      <input type="range" min="1" max="9" step="2" .value=${String(size)} @input=${(event: Event) =>
        app.correction.setTool(tool, Number((event.target as HTMLInputElement).value))}>
    </label>
    <div class="buttons">
      <button @click=${() => app.correction.undo()}>Undo</button>
      <button @click=${() => app.correction.leave()}>Discard</button>
      <button class="accent" @click=${() => app.correction.finish()}>Done</button>
    </div>
  </div>`;
}

function readout({ crosshair, said }: ViewState): TemplateResult {
  return html`<div class="readout">
    <p class="place">${crosshair ? `Crosshair at ${placeText(crosshair.place)}; intensity ${Number(crosshair.intensity.toPrecision(4))}${crosshair.drawn ? '; lesion' : ''}` : nothing}</p>
    <details class="keys">
      <summary>Keys</summary>
      <p id="keys" class="key-help">Once the image has the focus, the arrow keys move the crosshair, and Page Up and Page Down go from slice to slice; with Shift by ten voxels. N and B go to the next lesion and back, and Delete takes the chosen one out of the mask. In 3D the arrow keys turn the head. While you correct, P paints and E erases with the brush at the crosshair, and Ctrl+Z takes the last stroke back.</p>
    </details>
    <p class="visually-hidden" role="status">${said}</p>
  </div>`;
}
