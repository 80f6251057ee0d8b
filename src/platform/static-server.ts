import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative, sep } from 'node:path';
import { StorageError, UsageError } from '../core/errors.ts';
import { setting, worded } from '../core/wording.ts';
import { formatPolicy } from './content-policy.ts';

/** The only address that is listened on: nobody but this machine reaches it. */
const LOOPBACK = '127.0.0.1';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json; charset=utf-8',
  webmanifest: 'application/manifest+json; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
};

const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': formatPolicy('header'),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

/**
 * Every regular file below a folder by its URL path (`/assets/main.js`), read once. Links are left out, wherever they
 * lead.
 * @throws StorageError where the folder cannot be read.
 */
export async function readServedFiles(folder: string): Promise<Map<string, Uint8Array>> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = new Map<string, Uint8Array>();
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      const full = join(entry.parentPath, entry.name);
      files.set(`/${relative(folder, full).split(sep).join('/')}`, await readFile(full));
    }
    return files;
  } catch (cause) {
    throw new StorageError(`${folder}: cannot be read`, { hint: 'Check the path.', cause });
  }
}

/** A web server that runs. */
export interface RunningServer {
  /** `http://localhost:8137/`. */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves files from memory, to this machine only. A request never reaches the disk, so no path leads out of the
 * files. A request that names another host (a page elsewhere that points its own name at this machine) or comes from
 * another origin is refused.
 *
 * @param port 0 for any free one
 * @throws UsageError where the port is taken or may not be used.
 */
export async function startServer(
  files: ReadonlyMap<string, Uint8Array>,
  port: number,
): Promise<RunningServer> {
  const server = createServer((request, response) => answer(files, request, response));
  await listen(server, port);
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${bound}/`,
    port: bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why =
        cause.code === 'EADDRINUSE' ? 'is in use' : `cannot be opened (${cause.code ?? cause.message})`;
      reject(
        new UsageError(`port ${port} ${why}`, {
          hint: worded`Choose another ${setting('port')}; 0 takes any free one.`,
          cause,
        }),
      );
    });
    server.listen(port, LOOPBACK, () => resolve());
  });
}

interface Reply {
  readonly status: number;
  readonly body: Uint8Array;
  readonly type: string;
  readonly cache: string;
}

function answer(
  files: ReadonlyMap<string, Uint8Array>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { status, body, type, cache } = replyTo(files, request);
  response.writeHead(status, {
    ...HEADERS,
    ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
    'Content-Type': type,
    'Content-Length': body.length,
    'Cache-Control': cache,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function refusal(status: number, why: string): Reply {
  const body = new TextEncoder().encode(`${why}\n`);
  return { status, body, type: 'text/plain; charset=utf-8', cache: 'no-store' };
}

function replyTo(files: ReadonlyMap<string, Uint8Array>, request: IncomingMessage): Reply {
  const hosts = ['localhost', LOOPBACK].map((name) => `${name}:${request.socket.localPort}`);
  const { host, origin } = request.headers;
  if (host === undefined || !hosts.includes(host.toLowerCase()))
    return refusal(403, 'This host is not served.');
  if (origin !== undefined && origin !== `http://${host.toLowerCase()}`)
    return refusal(403, 'Requests from other origins are not served.');
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return refusal(405, 'Only GET and HEAD are served.');
  const path = pathOf(request.url ?? '/');
  const body = path === undefined ? undefined : files.get(path);
  if (path === undefined || !body) return refusal(404, 'There is no such file.');
  const type = TYPES[path.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
  // Names below /assets/ hold a hash of the content.
  const cache = path.startsWith('/assets/') ? 'max-age=31536000, immutable' : 'no-cache';
  return { status: 200, body, type, cache };
}

/** The key of a request's file; undefined where the address cannot be decoded. */
function pathOf(url: string): string | undefined {
  try {
    const path = decodeURIComponent(url.split(/[?#]/, 1)[0]!);
    return path.endsWith('/') ? `${path}index.html` : path;
  } catch {
    return undefined;
  }
}
