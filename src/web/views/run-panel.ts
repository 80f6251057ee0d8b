import { html, nothing, type TemplateResult } from 'lit-html';
import type { App } from '../app.ts';
import type { TileProgress } from '../protocol.ts';
import { isBusy, type RunState, type State } from '../state.ts';
import { formatLeft } from './format.ts';
import { problemNote } from './problem-note.ts';

/** The third step: segment, with progress and a way to stop. */
export function runPanel(state: State, app: App): TemplateResult {
  const { files, model, run, runProblem, result } = state;
  const ready = files?.ready === true && model !== null;
  return html`<section aria-labelledby="run">
    <h2 id="run">3. Segment</h2>
    ${
      run
        ? running(run, app)
        : html`<button class="primary" ?disabled=${!ready || isBusy(state)} @click=${() => app.run.segment()}>${result?.correction ? 'Segment again, without the correction' : result ? 'Segment again' : 'Segment'}</button>`
    }
    ${problemNote(files?.problem ?? null)} ${problemNote(runProblem)}
    ${
      runProblem?.setting === 'trustBrain'
        ? html`<button ?disabled=${!ready || isBusy(state)} @click=${() => app.run.segment(true)}>It is a brain: segment it all the same</button>`
        : nothing
    }
    <p class="status" role="status">${run ? '' : statusOf(state)}</p>
  </section>`;
}

const PHASES: Readonly<Record<TileProgress['phase'], string>> = {
  tissues: 'Making tissue maps from the T1: round',
  'stage-1': 'Finding lesions to correct the tissue maps by: tile',
  tiles: 'Tile',
};

function running({ progress, secondsLeft }: RunState, app: App): TemplateResult {
  const text = progress
    ? `${PHASES[progress.phase]} ${progress.done} of ${progress.total}${secondsLeft === null ? '' : `, ${formatLeft(secondsLeft)} left`}`
    : 'Preparing the scan and compiling the kernels…';
  return html`<div class="running">
    <progress aria-label="Segmentation" max=${progress?.total ?? nothing} value=${progress?.done ?? nothing}></progress>
    <p class="tiles">${text}</p>
    <button @click=${() => app.run.cancel()}>Cancel</button>
  </div>`;
}

function statusOf({ result, files, model, runProblem }: State): string {
  if (result) return `${result.tiles} tiles in ${result.seconds.toFixed(1)} s.`;
  if (!files || files.files.length === 0) return 'Choose a scan first.';
  if (files.files.some(({ problem }) => problem)) return 'Correct or remove the files that are marked first.';
  // A problem says itself what can be done.
  return model && !files.problem && !runProblem ? 'Ready.' : '';
}
