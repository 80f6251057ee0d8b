// The losses that tasks, settings and the trainer know, one per line.
export { meanSquaredError as mse } from './mse.ts';
export { dice, diceCe, focalTversky } from './overlap.ts';
export { generalizedDice, literal, paperDice } from './paper.ts';
