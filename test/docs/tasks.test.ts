import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';
import { parseTask } from '../../src/pipeline/task/task.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('task files in the documentation', () => {
  it('are understood', () => {
    const page = 'src/docs/tasks.md';
    const tasks = [...read(page).matchAll(/```json\n(.*?)```/gs)].map((match) => JSON.parse(match[1]!));
    expect(tasks).toHaveLength(3);
    for (const task of tasks) expect(parseTask(task, page).heads.length).toBeGreaterThan(0);
  });

  it('lists every field of a task and of a head', () => {
    const page = read('src/docs/tasks.md');
    const task = parseTask(
      { name: 'a', heads: [{ name: 'b', labels: ['c'], target: { from: 'mask' } }] },
      'a',
    );
    for (const field of [...Object.keys(task), ...Object.keys(task.heads[0]!)])
      expect(page, field).toContain(`| \`${field}\` |`);
  });
});

describe('labels', () => {
  it('that would have the same file are refused', () => {
    const heads = [{ name: 'b', labels: ['lesion', 'L'], target: { from: 'mask' } }];
    expect(() => parseTask({ name: 'a', heads }, 'task.json')).toThrow(UsageError);
    expect(() => parseTask({ name: 'a', heads }, 'task.json')).toThrow(/the label "L" is there twice/);
  });
});
