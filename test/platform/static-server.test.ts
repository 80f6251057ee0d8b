import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningServer, readServedFiles, startServer } from '../../src/platform/static-server.ts';

let folder: string;
let server: RunningServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'voxelgrad-serve-'));
  mkdirSync(join(folder, 'www/assets'), { recursive: true });
  mkdirSync(join(folder, 'other'));
  writeFileSync(join(folder, 'secret.txt'), 'secret');
  writeFileSync(join(folder, 'other/secret.txt'), 'secret');
  writeFileSync(join(folder, 'www/index.html'), '<!doctype html>');
  writeFileSync(join(folder, 'www/assets/a-1.js'), 'export {};');
  symlinkSync(join(folder, 'secret.txt'), join(folder, 'www/link.txt'));
  symlinkSync(join(folder, 'other'), join(folder, 'www/other'));
  server = await startServer(await readServedFiles(join(folder, 'www')), 0);
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port: server.port, path, method, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        body += part;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    call.on('error', reject);
    call.end();
  });
}

describe('startServer', () => {
  it('answers on both addresses that localhost may mean, and on no other port of either', async (context) => {
    const onSix = await new Promise<number | string>((resolve) => {
      const call = request({ host: '::1', port: server.port, path: '/' }, (r) => resolve(r.statusCode!));
      call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
      call.end();
    });
    if (onSix === 'EADDRNOTAVAIL' || onSix === 'EAFNOSUPPORT') return context.skip('no IPv6 here');
    expect(onSix).toBe(200);
    // Taken on one address is taken.
    const taken = createServer().listen(0, '::1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    await expect(startServer(new Map(), port)).rejects.toThrow(`port ${port} is in use`);
    taken.close();
  });

  it('knows its own name on port 80, which browsers leave out', async (context) => {
    const eighty = await startServer(new Map([['/index.html', Uint8Array.of(33)]]), 80).catch(
      () => undefined,
    );
    if (!eighty) return context.skip('port 80 cannot be had here');
    try {
      expect(eighty.url).toBe('http://localhost/');
      const answers = await Promise.all(
        ['localhost', '127.0.0.1', 'localhost:80', 'elsewhere'].map(async (host) => {
          const call = request({ host: '127.0.0.1', port: 80, path: '/', headers: { host } });
          call.end();
          const [response] = (await once(call, 'response')) as [IncomingMessage];
          response.resume();
          return response.statusCode;
        }),
      );
      expect(answers).toEqual([200, 200, 200, 403]);
    } finally {
      await eighty.close();
    }
  });

  it('serves the files with their types, and the index for the root', async () => {
    const index = await get('/');
    expect(index).toMatchObject({ status: 200, body: '<!doctype html>' });
    expect(index.headers['content-type']).toMatch('text/html');
    const script = await get('/assets/a-1.js?x=1');
    expect(script.headers['content-type']).toMatch('text/javascript');
    expect(script.headers['cache-control']).toMatch('immutable');
    expect(await get('/', {}, 'HEAD')).toMatchObject({ status: 200, body: '' });
  });

  it('sends a strict policy with every answer', async () => {
    for (const path of ['/', '/none']) {
      const { headers } = await get(path);
      const policy = String(headers['content-security-policy']);
      expect(policy).toMatch(/^default-src 'none'; script-src 'self'; /);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|\*|https?:/);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['cross-origin-opener-policy']).toBe('same-origin');
      expect(headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  it.each([
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret.txt',
    '/assets/../../secret.txt',
    '/..\\secret.txt',
    '/link.txt',
    '/other/secret.txt',
    '//etc/passwd',
    '/%00',
    '/%',
    '/assets',
    '/assets/',
    '/__proto__',
  ])('has nothing at %s', async (path) => {
    expect(await get(path)).toMatchObject({ status: 404, body: 'There is no such file.\n' });
  });

  it('refuses foreign hosts and origins, and answers its own names', async () => {
    for (const host of ['evil.example', `evil.example:${server.port}`, '127.0.0.1:1', 'localhost'])
      expect((await get('/', { Host: host })).status, host).toBe(403);
    for (const origin of ['http://evil.example', 'null', `https://localhost:${server.port}`])
      expect((await get('/', { Origin: origin })).status, origin).toBe(403);
    for (const name of ['localhost', '127.0.0.1', 'LOCALHOST']) {
      const host = `${name}:${server.port}`;
      expect((await get('/', { Host: host, Origin: `http://${host.toLowerCase()}` })).status).toBe(200);
    }
  });

  it('answers GET and HEAD only', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const { status, headers } = await get('/', {}, method);
      expect(status).toBe(405);
      expect(headers.allow).toBe('GET, HEAD');
    }
  });

  it('listens on the loopback address only', async () => {
    const { networkInterfaces } = await import('node:os');
    const others = Object.values(networkInterfaces())
      .flat()
      .filter((each) => each && !each.internal && each.family === 'IPv4');
    for (const other of others) {
      const code = await new Promise((resolve) => {
        const socket = connect({ host: other!.address, port: server.port });
        socket.on('connect', () => resolve('connected'));
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      });
      expect(code).toBe('ECONNREFUSED');
    }
  });

  it('says that a port is taken', async () => {
    await expect(startServer(new Map(), server.port)).rejects.toThrow(`port ${server.port} is in use`);
  });
});

describe('readServedFiles', () => {
  it('reads regular files only', async () => {
    const files = await readServedFiles(join(folder, 'www'));
    expect([...files.keys()].sort()).toEqual(['/assets/a-1.js', '/index.html']);
    await expect(readServedFiles(join(folder, 'none'))).rejects.toThrow('cannot be read');
  });
});
