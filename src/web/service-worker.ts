// Keeps the app for visits without a network. Runs by itself: it may import nothing.

interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

/** The worker's own scope, of which the DOM's types know nothing. */
interface ServiceWorkerScope {
  readonly location: Location;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
}

const scope = globalThis as unknown as ServiceWorkerScope;

/** The build puts the list of its files here, as JSON. */
const FILES = JSON.parse('__OFFLINE_FILES__') as readonly string[];
const CACHE = 'voxelgrad';

scope.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll([...FILES]))
      .then(() => scope.skipWaiting()),
  );
});

scope.addEventListener('activate', (event) => {
  event.waitUntil(forgetOldFiles().then(() => scope.clients.claim()));
});

/** Drops what an earlier version of the app left behind. */
async function forgetOldFiles(): Promise<void> {
  const cache = await caches.open(CACHE);
  const current = new Set(FILES.map((file) => new URL(file, scope.location.href).href));
  for (const request of await cache.keys()) if (!current.has(request.url)) await cache.delete(request);
}

scope.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method === 'GET' && request.url.startsWith(scope.location.origin))
    event.respondWith(answer(request));
});

/** Names below assets/ hold a hash, so the kept file is the right one; all else is asked for first. */
async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = (): Promise<Response | undefined> => cache.match(request, { ignoreSearch: true });
  if (new URL(request.url).pathname.includes('/assets/')) {
    const found = await kept();
    if (found) return found;
  }
  try {
    return await fetch(request);
  } catch (error) {
    const found = await kept();
    if (found) return found;
    throw error;
  }
}
