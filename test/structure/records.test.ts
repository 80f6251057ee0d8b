import { describe, expect, it } from 'vitest';
import { filesBelow, readAll, withoutComments } from './sources.ts';

/** A field that is there or not by a condition: `...(x ? { x } : {})`. */
const CONDITIONAL =
  /\.\.\.\((?:[^()]|\([^()]*\))*\?\s*(?:\{(?:[^{}]|\{[^{}]*\})*\}\s*:\s*\{\}|\{\}\s*:\s*\{)/g;

/**
 * Files that may have some, and how many: there a field that is undefined would be another thing than one that is
 * missing. Everywhere else the field is declared `| undefined`, and a journey hands on one record of options.
 */
const ALLOWED: Readonly<Record<string, number>> = {
  // Configurations of networks are checked by strict schemas.
  'src/pipeline/train/network.ts': 1,
  'src/pipeline/exchange/brainchop/meshnet-layers.ts': 2,
  // Ops take a gradient of their own for one of their directions only.
  'src/pipeline/bench/conv-transpose3d-cases.ts': 1,
  'src/pipeline/bench/conv3d-cases.ts': 1,
  'src/pipeline/bench/elementwise-cases.ts': 1,
};

function conditionalFields(sources: ReadonlyMap<string, string>): Record<string, number> {
  const counts = [...sources].map(([path, text]) => [
    path,
    withoutComments(text).match(CONDITIONAL)?.length ?? 0,
  ]);
  return Object.fromEntries(counts.filter(([, count]) => count !== 0)) as Record<string, number>;
}

describe('records of options and results', () => {
  it('are handed on whole: their fields are undefined rather than left out', () => {
    const files = ['pipeline', 'study', 'cli'].flatMap((room) => filesBelow(`src/${room}`, '.ts'));
    expect(files.length).toBeGreaterThan(150);
    expect(conditionalFields(readAll(files))).toEqual(ALLOWED);
  });

  it('would be found out', () => {
    const text = `
      f({ ...(a ? { a } : {}), ...(b === undefined ? {} : { b }) });
      g({ ...rest, ...(isIt(c) ? { c: { d: 1 } } : {}), e: h ? { h } : {} });`;
    expect(conditionalFields(new Map([['a.ts', text]]))).toEqual({ 'a.ts': 3 });
  });
});
