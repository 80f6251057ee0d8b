import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  foreign,
  type ListenOn,
  localUrl,
  type RunningServer,
  readServedFiles,
  startServer,
} from '../../src/platform/static-server.ts';

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
  /** Another address of this machine in place of IPv6's, which not every machine has. */
  const instead: ListenOn = (served, port, address) =>
    new Promise((resolve, reject) => {
      served.once('error', reject);
      served.listen(port, address === '::1' ? '127.0.0.2' : address, resolve);
    });

  it.skipIf(process.platform !== 'linux')(
    'answers on both addresses that localhost may mean, and takes no port that is taken on one',
    async () => {
      const both = await startServer(await readServedFiles(join(folder, 'www')), 0, instead);
      try {
        for (const host of ['127.0.0.1', '127.0.0.2']) {
          const headers = { host: `localhost:${both.port}` };
          const call = request({ host, port: both.port, path: '/', headers });
          call.end();
          const [response] = (await once(call, 'response')) as [IncomingMessage];
          response.resume();
          expect(response.statusCode).toBe(200);
        }
      } finally {
        await both.close();
      }
      const taken = createServer().listen(0, '127.0.0.2');
      await once(taken, 'listening');
      const { port } = taken.address() as AddressInfo;
      await expect(startServer(new Map(), port, instead)).rejects.toThrow(`port ${port} is in use`);
      taken.close();
    },
  );

  it.each(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL'])(
    'does without IPv6 where there is none: %s',
    async (code) => {
      const asked: string[] = [];
      const without: ListenOn = async (served, port, address) => {
        asked.push(address);
        if (address === '::1') throw Object.assign(new Error('none'), { code });
        await instead(served, port, address);
      };
      const one = await startServer(new Map(), 0, without);
      expect(asked).toEqual(['127.0.0.1', '::1']);
      expect(one.port).toBeGreaterThan(0);
      await one.close();
      const refused: ListenOn = () => Promise.reject(Object.assign(new Error('no'), { code: 'EACCES' }));
      await expect(startServer(new Map(), 80, refused)).rejects.toThrow('port 80 cannot be opened (EACCES)');
    },
  );

  it("answers on IPv6's own address where the machine has it", async (context) => {
    const onSix = await new Promise<number | string>((resolve) => {
      const call = request({ host: '::1', port: server.port, path: '/' }, (r) => resolve(r.statusCode!));
      call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
      call.end();
    });
    if (onSix === 'EADDRNOTAVAIL' || onSix === 'EAFNOSUPPORT') return context.skip('no IPv6 here');
    expect(onSix).toBe(200);
  });

  it('knows its own names on port 80, which browsers leave out, and no others', () => {
    expect([localUrl(80), localUrl(8137)]).toEqual(['http://localhost/', 'http://localhost:8137/']);
    for (const host of ['localhost', '127.0.0.1', '[::1]', 'localhost:80', 'LOCALHOST']) {
      expect(foreign({ host }, 80), host).toBeUndefined();
      expect(foreign({ host, origin: `http://${host.toLowerCase()}` }, 80), host).toBeUndefined();
    }
    for (const host of ['elsewhere', 'localhost:8080', 'localhost.evil.example', undefined])
      expect(foreign({ ...(host === undefined ? {} : { host }) }, 80), host).toBe('This host is not served.');
    expect(foreign({ host: 'localhost' }, 8137)).toBe('This host is not served.');
    expect(foreign({ host: 'localhost', origin: 'http://evil.example' }, 80)).toMatch(/other origins/);
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
