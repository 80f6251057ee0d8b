import { render } from 'lit-html';
import { App } from './app.ts';
import { droppedFiles } from './drop.ts';
import { EngineClient } from './engine-client.ts';
import { page } from './views/page.ts';

const root = document.getElementById('app')!;
const client = new EngineClient(
  new Worker(new URL('./engine-worker.ts', import.meta.url), { type: 'module', name: 'voxelgrad engine' }),
);
const app = new App(client, (state) => {
  render(page(state, app), root);
  // One canvas for as long as the page lives: NiiVue stays with the one it was given.
  const canvas = root.querySelector('canvas');
  if (canvas && state.view) app.view.attach(canvas);
});

// The whole page takes drops; without this a file that misses would replace the page.
addEventListener('dragover', (event) => {
  event.preventDefault();
  app.setDragging(true);
});
addEventListener('dragleave', (event) => {
  if (event.relatedTarget === null) app.setDragging(false);
});
addEventListener('drop', (event) => {
  event.preventDefault();
  app.setDragging(false);
  if (event.dataTransfer) void app.addDropped(droppedFiles(event.dataTransfer));
});

void app.start();

// For visits without a network. Where the browser keeps nothing (private windows), the app works all the same.
navigator.serviceWorker?.register(new URL('service-worker.js', document.baseURI)).catch(() => undefined);
