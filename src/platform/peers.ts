import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from './checkout.ts';

/** A row that a peer is asked to time. */
export interface PeerRequest {
  readonly kernel: string;
  readonly shape: string;
}

/** What a peer said of a row, or, without a kernel, of itself. */
export interface PeerAnswer extends Partial<PeerRequest> {
  /** Median. */
  readonly ms?: number;
  readonly bestMs?: number;
  /** Why it did not time it. */
  readonly skip?: string;
}

/** Other engines by the names that reports use; see bench/peers/README.md. */
export const PEERS: Readonly<Record<string, string>> = {
  tfjs: 'tfjs.mjs',
  'jax-js': 'jax-js.mjs',
  onnx: 'onnx.mjs',
  torch: 'torch_peer.py',
};

/**
 * Runs a peer's program in a process of its own; what it cannot do is an answer, never an error.
 * @param seconds after which it is stopped; what it had answered by then counts
 */
export async function askPeer(
  name: string,
  rows: readonly PeerRequest[],
  seconds: number,
): Promise<PeerAnswer[]> {
  const file = join(packageFolder(), 'bench', 'peers', PEERS[name] ?? name);
  if (!existsSync(file)) return [{ skip: 'its program is not here' }];
  const program = file.endsWith('.py') ? (process.env.VOXELGRAD_PYTHON ?? 'python3') : process.execPath;
  return await new Promise((resolve) => {
    const child = spawn(program, [file], { stdio: ['pipe', 'pipe', 'ignore'] });
    // Not spawn's own timeout: it goes on, and keeps this process alive, where the program does not start.
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve([{ skip: `${program} does not start: ${error.message}` }]);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const answers = text.split('\n').flatMap(parseAnswer);
      if (code === 0) resolve(answers);
      else resolve([...answers, { skip: signal ? `stopped after ${seconds} s` : `ended with code ${code}` }]);
    });
    // A program that ends before it has read all closes its end.
    child.stdin.on('error', () => undefined);
    child.stdin.end(JSON.stringify(rows));
  });
}

/** Lines that are no answers (a library's own messages) are passed over. */
function parseAnswer(line: string): PeerAnswer[] {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null) return [];
    const { kernel, shape, ms, bestMs, skip } = value as Readonly<Record<string, unknown>>;
    const timed = typeof ms === 'number' && typeof bestMs === 'number';
    if (!timed && typeof skip !== 'string') return [];
    return [
      {
        ...(typeof kernel === 'string' && typeof shape === 'string' ? { kernel, shape } : {}),
        ...(timed ? { ms, bestMs } : {}),
        ...(typeof skip === 'string' ? { skip } : {}),
      },
    ];
  } catch {
    return [];
  }
}
