// The losses that tasks, settings and the trainer know, one per line.
export { generalizedDice, literal, paperDice } from './paper.ts';
