import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Random } from '../../src/core/random.ts';
import { readServedFiles, startServer } from '../../src/platform/static-server.ts';
import type { Outcome, Workspace } from './workspace.ts';

const SECRET = 'what lies beside the folder';
/** What paths that lead out are made of, as clients and proxies write them. */
const STEPS = [
  '..',
  '%2e%2e',
  '.%2E',
  '..%2f',
  '%252e%252e',
  '..\\',
  '%5c..',
  '//',
  '/',
  '%00',
  '.',
  'in',
  'link',
];
const HOSTS = ['evil.example', 'localhost.evil.example', '0.0.0.0', '[::1]', '127.0.0.1.', 'localhost'];

/** Asks the app's server for what it must not give: other files, from other hosts and origins, from other addresses. */
export async function server(workspace: Workspace, random: Random, requests: number): Promise<Outcome> {
  const served = workspace.path('served');
  mkdirSync(join(served, 'in'), { recursive: true });
  writeFileSync(join(workspace.root, 'secret.txt'), SECRET);
  writeFileSync(join(served, 'index.html'), 'index');
  writeFileSync(join(served, 'in/index.html'), 'inner');
  symlinkSync(workspace.root, join(served, 'link'));
  const running = await startServer(await readServedFiles(served), 0);
  const { port } = running;
  const own = `localhost:${port}`;
  let [leaked, foreign, answered, tried] = [0, 0, 0, 0];
  try {
    for (; tried < requests; tried++) {
      const steps = Array.from({ length: 1 + random.integer(5) }, () => STEPS[random.integer(STEPS.length)]!);
      const { body } = await get(port, `/${steps.join('/')}/secret.txt`, { Host: own });
      if (body.includes(SECRET)) leaked++;
      const name = HOSTS[random.integer(HOSTS.length)]!;
      const other = random.integer(2) === 0 ? `${name}:${port + 1}` : name;
      const headers = random.integer(2) === 0 ? { Host: other } : { Host: own, Origin: `http://${other}` };
      if ((await get(port, '/', headers)).status === 200) foreign++;
      if ((await get(port, '/', { Host: own, Origin: `http://${own}` })).status === 200) answered++;
    }
    const others = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .filter(({ internal }) => !internal);
    const open = (await Promise.all(others.map(({ address }) => answers(address, port)))).filter(Boolean);
    return {
      promise: 'the local server gives its own files to its own pages',
      counts:
        `${tried} paths out of the folder: ${leaked} led anywhere; ${tried} requests of foreign hosts and origins: ${foreign} answered; ` +
        `${answered} of ${tried} of its own answered; ${open.length} of ${others.length} other addresses of the machine open`,
      kept: leaked === 0 && foreign === 0 && answered === tried && open.length === 0,
    };
  } finally {
    await running.close();
  }
}

function get(
  port: number,
  path: string,
  headers: Record<string, string>,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        body += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    call.on('error', reject);
    call.end();
  });
}

/** Whether something takes connections at an address. */
function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.setTimeout(2000, () => end(false));
    socket.on('connect', () => end(true));
    socket.on('error', () => end(false));
  });
}
