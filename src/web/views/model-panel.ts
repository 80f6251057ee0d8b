import { html, nothing, type TemplateResult } from 'lit-html';
import type { App } from '../app.ts';
import type { ModelReport } from '../protocol.ts';
import { isBusy, type State } from '../state.ts';
import { problemNote } from './problem-note.ts';

/** Begins the value of a choice that names a kept model. */
const KEPT = 'kept:';

/** The second step: which network. */
export function modelPanel(state: State, app: App): TemplateResult {
  const { models, model, modelFile, modelProblem } = state;
  const locked = isBusy(state);
  const { keptModels } = state;
  const kept = model !== null && modelFile === null && keptModels.includes(model.name);
  const own = model !== null && modelFile === null && !kept;
  const listed = models.find(({ file }) => file === modelFile);
  const note = listed?.note;
  const take = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    const [file] = input.files ?? [];
    input.value = '';
    if (file) void app.model.loadOwn(file);
  };
  const choose = (event: Event): void => {
    const { value } = event.target as HTMLSelectElement;
    if (value.startsWith(KEPT)) void app.model.loadKept(value.slice(KEPT.length));
    else if (value !== '') void app.model.loadListed(value);
  };
  return html`<section aria-labelledby="model">
    <h2 id="model">2. Model</h2>
    <div class="model-row">
      <select aria-label="Model" ?disabled=${locked} @change=${choose}>
        ${own ? html`<option value="" .selected=${true}>${model.name}</option>` : nothing}
        ${models.map(({ name, file }) => html`<option value=${file} .selected=${file === modelFile}>${name}</option>`)}
        ${
          keptModels.length > 0
            ? html`<optgroup label="Trained in this browser">
                ${keptModels.map((name) => html`<option value=${KEPT + name} .selected=${kept && name === model.name}>${name}</option>`)}
              </optgroup>`
            : nothing
        }
      </select>
      <label class="button">Your own<input type="file" accept=".safetensors" aria-label="Your own model.safetensors" ?disabled=${locked} @change=${take}></label>
    </div>
    ${problemNote(modelProblem)}
    ${
      kept
        ? html`<p class="hint">Kept in this browser only. <button class="quiet" ?disabled=${locked} @click=${() => app.model.forget(model.name)}>Forget it</button></p>`
        : nothing
    }
    ${
      model
        ? html`<p class="hint">${note ? html`${note} ` : nothing}Reads ${model.modalities.join(', ')}; ${facts(model, listed?.licence)}.</p>
            ${model.stageOne === undefined ? nothing : stageOne(model.stageOne, locked, app)}`
        : html`<p class="hint" role="status">${modelProblem ? 'No model is loaded.' : 'Loading…'}</p>`
    }
  </section>`;
}

/** What the list of `voxelgrad models` tells too: labels, kind, size, and whose it is. */
function facts(model: ModelReport, licence: string | null = model.licence): string {
  const finds = model.labels.length > 0 ? [`finds ${model.labels.join(', ')}`] : [];
  const from = model.source === null ? [] : [model.source];
  const terms =
    licence === null ? (model.source === null ? [] : ['licence not known']) : [`licence ${licence}`];
  const size = `${model.network}, ${model.parameters.toLocaleString('en')} parameters`;
  return [...finds, size, ...from, ...terms].join('; ');
}

/** For a network that reads tissue maps: the one that corrects those that are made. */
function stageOne(name: string | null, locked: boolean, app: App): TemplateResult {
  const take = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    const [file] = input.files ?? [];
    input.value = '';
    if (file) void app.model.loadStageOne(file.name, () => file.arrayBuffer());
  };
  const text =
    name === null ? 'lesions in them stay as they are.' : `${name} finds the lesions to correct them by.`;
  return html`<p class="hint">It reads tissue maps too. Where the scan has none they are made from the T1; ${text}</p>
    <label class="button">Stage-1 model<input type="file" accept=".safetensors" aria-label="Stage-1 model.safetensors" ?disabled=${locked} @change=${take}></label>`;
}
