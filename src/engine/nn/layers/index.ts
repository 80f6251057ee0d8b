// Every layer, by family.
export * from './convolution.ts';
export * from './norm.ts';
export * from './pointwise.ts';
export * from './pooling.ts';
