// The recipes that settings know, one per line.
export { paper } from './paper.ts';
export { robust } from './robust.ts';
