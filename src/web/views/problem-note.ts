import { html, nothing, type TemplateResult } from 'lit-html';
import type { Problem } from '../protocol.ts';

/** A problem in one sentence, with what to do; nothing where there is none. */
export function problemNote(problem: Problem | null): TemplateResult | typeof nothing {
  if (!problem) return nothing;
  return html`<p class="problem" role="alert">${problem.message}${problem.hint ? html` <span>${problem.hint}</span>` : nothing}</p>`;
}
