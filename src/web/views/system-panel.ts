import { html, nothing, type TemplateResult } from 'lit-html';
import { formatBytes } from '../../core/bytes.ts';
import type { State } from '../state.ts';

const LIMIT_LABELS: Readonly<Record<string, string>> = {
  maxBufferBytes: 'Largest buffer',
  maxBindingBytes: 'Largest binding',
  maxWorkgroupBytes: 'Workgroup memory',
  maxInvocations: 'Invocations a workgroup',
  maxStorageBuffers: 'Storage buffers a stage',
};

/** What runs: adapter, limits, memory. */
export function systemPanel({ system }: State): TemplateResult {
  if (!system)
    return html`<section class="system"><p class="hint" role="status">Opening the GPU…</p></section>`;
  const { adapter, software, features, limits, bufferBytes, devicesLost } = system;
  return html`<details class="system">
    <summary>Runs on ${adapter}${software ? ' (processor)' : ''}</summary>
    <dl>
      <div><dt>GPU memory in use</dt><dd>${formatBytes(bufferBytes)}</dd></div>
      ${Object.entries(limits).map(
        ([name, value]) =>
          html`<div><dt>${LIMIT_LABELS[name] ?? name}</dt><dd>${name.endsWith('Bytes') ? formatBytes(value) : value}</dd></div>`,
      )}
      <div><dt>Features</dt><dd>${features.join(', ') || 'none beyond the standard’s'}</dd></div>
      ${devicesLost > 0 ? html`<div><dt>Devices lost and replaced</dt><dd>${devicesLost}</dd></div>` : nothing}
    </dl>
    ${software ? html`<p class="hint">This adapter computes on the processor. With a graphics card and its driver the browser is faster by far.</p>` : nothing}
  </details>`;
}
