import { html, nothing, type TemplateResult } from 'lit-html';
import { FILE_ROLES, type FileRole } from '../../imaging/dataset/file-role.ts';
import type { App } from '../app.ts';
import { chosenFiles } from '../drop.ts';
import type { FileReport } from '../protocol.ts';
import { isBusy, type State } from '../state.ts';
import { problemNote } from './problem-note.ts';

/** What the choices are called. */
const ROLE_LABELS: Readonly<Record<FileRole, string>> = {
  FLAIR: 'FLAIR',
  T1w: 'T1w',
  T2w: 'T2w',
  PDw: 'PDw',
  'ce-gadolinium_T1w': 'T1w, contrast',
  lesions: 'true lesions',
  brain: 'brain mask',
  GM: 'grey matter',
  WM: 'white matter',
  CSF: 'CSF',
};

/** The first step: which files, and what each is. */
export function filesPanel(state: State, app: App): TemplateResult {
  const { files, reading, filesProblem } = state;
  const list = files?.files ?? [];
  const locked = isBusy(state);
  return html`<section aria-labelledby="scan" aria-busy=${reading}>
    <div class="heading">
      <h2 id="scan">1. Scan</h2>
      ${
        list.length > 0
          ? html`<button class="quiet" ?disabled=${locked} @click=${() => app.files.clear()}>Clear</button>`
          : nothing
      }
    </div>
    ${chooser(list.length === 0, locked, app)}
    ${
      list.length === 0
        ? html`<p class="hint">One .nii or .nii.gz file a modality, and a brain mask unless the skull is stripped; a true lesion mask if you have one. A whole BIDS or ISBI 2015 folder works too.</p>`
        : nothing
    }
    <p class="status" role="status">${reading ? 'Reading…' : ''}</p>
    ${problemNote(filesProblem)} ${scanChoice(state, app)}
    ${(files?.notes ?? []).map((note) => html`<p class="hint">${note}</p>`)}
    ${
      list.length > 0
        ? html`<ul class="files" aria-label="Files of the scan">
            ${list.map((file) => fileRow(file, locked, app))}
          </ul>`
        : nothing
    }
  </section>`;
}

function chooser(empty: boolean, locked: boolean, app: App): TemplateResult {
  const take = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    const files = chosenFiles(input.files);
    input.value = '';
    void app.addFiles(files);
  };
  return html`<div class=${empty ? 'chooser empty' : 'chooser'}>
    ${empty ? html`<p>Drop files or a folder anywhere on this page, or</p>` : nothing}
    <div class="buttons">
      <label class="button">${empty ? 'Choose files' : 'Add files'}<input type="file" multiple accept=".nii,.gz,.safetensors" ?disabled=${locked} @change=${take}></label>
      <label class="button">${empty ? 'Choose a folder' : 'Add a folder'}<input type="file" webkitdirectory ?disabled=${locked} @change=${take}></label>
      ${empty ? html`<button ?disabled=${locked} @click=${() => app.files.usePhantom()}>Try a made-up patient</button>` : nothing}
    </div>
  </div>`;
}

function scanChoice(state: State, app: App): TemplateResult | typeof nothing {
  const { files } = state;
  if (!files || files.scans.length < 2) return nothing;
  return html`<label class="field">Patient and visit
    <select ?disabled=${isBusy(state)} @change=${(event: Event) => app.files.chooseScan((event.target as HTMLSelectElement).value)}>
      ${files.scans.map((name) => html`<option .selected=${name === files.scan}>${name}</option>`)}
    </select>
  </label>`;
}

function fileRow(file: FileReport, locked: boolean, app: App): TemplateResult {
  const choose = (event: Event): void => {
    const { value } = event.target as HTMLSelectElement;
    void app.files.setRole(file.path, value === '' ? null : (value as FileRole));
  };
  return html`<li>
    <div class="file">
      <span class="name" title=${file.path}>${file.name}</span>
      <button class="quiet" aria-label=${`Remove ${file.name}`} ?disabled=${locked} @click=${() => app.files.remove(file.path)}>Remove</button>
    </div>
    ${
      file.detail
        ? html`<div class="file-role">
            <select aria-label=${`What ${file.name} is`} ?disabled=${locked} @change=${choose}>
              <option value="" .selected=${file.role === null}>not known</option>
              ${FILE_ROLES.map(
                (role) =>
                  html`<option value=${role} .selected=${role === file.role}>${ROLE_LABELS[role]}</option>`,
              )}
            </select>
            <span class="detail">${file.detail}</span>
          </div>`
        : nothing
    }
    ${file.note ? html`<p class="hint">${file.note}</p>` : nothing} ${problemNote(file.problem)}
  </li>`;
}
