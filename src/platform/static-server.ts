import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative, sep } from 'node:path';
import { StorageError, UsageError } from '../core/errors.ts';
import { setting, worded } from '../core/wording.ts';
import { formatPolicy } from './content-policy.ts';

/** The only addresses that are listened on: nobody but this machine reaches them. `localhost` may mean either. */
const LOOPBACK = '127.0.0.1';
const LOOPBACK_6 = '::1';
/** Browsers leave it out of addresses and of the headers Host and Origin. */
const HTTP_PORT = 80;
/** How often another free port is tried where the one that was found is taken on the other address. */
const TRIES = 10;

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
 * @param listenOn how a server gets an address
 * @throws UsageError where the port is taken or may not be used.
 */
export async function startServer(
  files: ReadonlyMap<string, Uint8Array>,
  port: number,
  listenOn: ListenOn = listenOnAddress,
): Promise<RunningServer> {
  const make = (): Server => createServer((request, response) => answer(files, request, response));
  for (let tries = 1; ; tries++) {
    const servers = [make()];
    await listen(servers[0]!, port, LOOPBACK, listenOn);
    const { port: bound } = servers[0]!.address() as AddressInfo;
    try {
      // Else another program could listen there, and answer in place of this one.
      const second = make();
      if (await listen(second, bound, LOOPBACK_6, listenOn)) servers.push(second);
    } catch (error) {
      await closeAll(servers);
      if (port === 0 && tries < TRIES) continue;
      throw error;
    }
    return { url: localUrl(bound), port: bound, close: () => closeAll(servers) };
  }
}

/** Where a browser finds what is served on a port. */
export function localUrl(port: number): string {
  return `http://localhost${port === HTTP_PORT ? '' : `:${port}`}/`;
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  for (const server of servers) {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}

/** Starts listening. @throws Node's error with its code */
export type ListenOn = (server: Server, port: number, address: string) => Promise<void>;

function listenOnAddress(server: Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
}

/** @returns false if the machine does not have the address: IPv6 may be switched off. @throws UsageError */
async function listen(server: Server, port: number, address: string, listenOn: ListenOn): Promise<boolean> {
  try {
    await listenOn(server, port, address);
    return true;
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    if (address === LOOPBACK_6 && ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL'].includes(code)) return false;
    const why = code === 'EADDRINUSE' ? 'is in use' : `cannot be opened (${code || message})`;
    throw new UsageError(`port ${port} ${why}`, {
      hint: worded`Choose another ${setting('port')}; 0 takes any free one.`,
      cause,
    });
  }
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

/** Why a request is refused by the host and origin that it names; undefined if it is this machine's own. */
export function foreign(
  { host, origin }: Pick<IncomingMessage['headers'], 'host' | 'origin'>,
  port: number | undefined,
): string | undefined {
  const hosts = ['localhost', LOOPBACK, `[${LOOPBACK_6}]`].flatMap((name) => [
    `${name}:${port}`,
    ...(port === HTTP_PORT ? [name] : []),
  ]);
  if (host === undefined || !hosts.includes(host.toLowerCase())) return 'This host is not served.';
  if (origin !== undefined && origin !== `http://${host.toLowerCase()}`)
    return 'Requests from other origins are not served.';
  return undefined;
}

function replyTo(files: ReadonlyMap<string, Uint8Array>, request: IncomingMessage): Reply {
  const refused = foreign(request.headers, request.socket.localPort);
  if (refused !== undefined) return refusal(403, refused);
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
