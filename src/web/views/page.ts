import { html, nothing, type TemplateResult } from 'lit-html';
import type { App } from '../app.ts';
import type { State } from '../state.ts';
import { filesPanel } from './files-panel.ts';
import { learningPanel } from './learning-panel.ts';
import { modelPanel } from './model-panel.ts';
import { problemNote } from './problem-note.ts';
import { resultPanel } from './result-panel.ts';
import { runPanel } from './run-panel.ts';
import { systemPanel } from './system-panel.ts';
import { viewerPanel } from './viewer-panel.ts';

/** The whole page. */
export function page(state: State, app: App): TemplateResult {
  return html`
    <header>
      <h1>voxelgrad</h1>
      <p>Finds multiple-sclerosis lesions in brain MRI, in this tab. Nothing leaves this machine.</p>
    </header>
    ${state.systemProblem ? unsupported(state) : workplace(state, app)}
    <footer>
      <p>For research use. Not a medical device: not for diagnosis, treatment or any other clinical decision.</p>
    </footer>
    ${state.dragging ? html`<div class="drop-veil" aria-hidden="true"><p>Drop the scan’s files anywhere</p></div>` : nothing}
  `;
}

function workplace(state: State, app: App): TemplateResult {
  return html`<main>
    <div class="steps">
      ${filesPanel(state, app)} ${modelPanel(state, app)} ${runPanel(state, app)} ${systemPanel(state)}
    </div>
    <div class="stage">${viewerPanel(state, app)} ${resultPanel(state, app)} ${learningPanel(state, app)}</div>
  </main>`;
}

function unsupported({ systemProblem }: State): TemplateResult {
  return html`<main class="unsupported">
    <section aria-labelledby="unsupported">
      <h2 id="unsupported">It cannot run in this browser</h2>
      ${problemNote(systemProblem)}
      <p>voxelgrad computes on the graphics card through WebGPU. On the command line it runs without a browser: <code>npx voxelgrad predict --help</code>.</p>
    </section>
  </main>`;
}
