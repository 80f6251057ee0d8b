import { spawn } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildCli, CLI_MAIN, exitCodeOf } from '../support/cli.ts';

beforeAll(buildCli);

/** A process that watches, says what it sees, and ends in its own way or never. */
function watcher(whenStopped: string): Promise<{ code: number; text: string; ms: number }> {
  const module = new URL('../platform/stop-signals.js', `file://${CLI_MAIN}`).href;
  const script = `
    const { watchStopSignals } = await import(${JSON.stringify(module)});
    const timer = setInterval(() => {}, 1000);
    const watch = watchStopSignals((name) => console.log('first ' + name), (name) => console.log('late ' + name));
    watch.signal.addEventListener('abort', () => { ${whenStopped} });
    console.log('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  let text = '';
  let sent = 0;
  return new Promise((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (chunk.toString() !== 'ready\n') return;
      sent = performance.now();
      child.kill('SIGINT');
    });
    child.on('close', (code, signal) =>
      resolve({ code: exitCodeOf(code, signal), text, ms: performance.now() - sent }),
    );
  });
}

describe('stop signals', () => {
  it('give the job time to end, with the exit code in the reason', async () => {
    const { code, text } = await watcher(`
      console.log(watch.signal.reason.name, watch.signal.reason.exitCode);
      watch.release();
      clearInterval(timer);
      process.exitCode = 7;`);
    expect(text).toBe('ready\nStoppedError 130\nfirst SIGINT\n');
    expect(code).toBe(7);
  });

  it('end a job that does not stop, within 5 s', async () => {
    const { code, text, ms } = await watcher('');
    expect(text).toBe('ready\nfirst SIGINT\nlate SIGINT\n');
    expect(code).toBe(130);
    expect(ms).toBeGreaterThan(4000);
    expect(ms).toBeLessThan(5000);
  });

  it('end the process at once the second time', async () => {
    const { code, text, ms } = await watcher("process.kill(process.pid, 'SIGTERM');");
    expect(text).toBe('ready\nfirst SIGINT\n');
    expect(code).toBe(143);
    expect(ms).toBeLessThan(4000);
  });
});
