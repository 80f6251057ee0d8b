/**
 * Types of browsers and Node that public declarations speak of. Each is the reader's own where its `lib` or `types`
 * have it, and otherwise an object that nothing is known of: so the declarations compile with and without the DOM,
 * Node's types or WebGPU's, and need no package of types.
 *
 * @module
 */

type Own<Name extends string> =
  typeof globalThis extends Readonly<Record<Name, { readonly prototype: infer Type }>> ? Type : object;

/** A signal that stops something long. */
export type AbortSignal = Own<'AbortSignal'>;
/** A stream of `Uint8Array`. */
export type ByteStream = Own<'ReadableStream'>;

export type GPUAdapter = Own<'GPUAdapter'>;
export type GPUAdapterInfo = Own<'GPUAdapterInfo'>;
export type GPUBindGroup = Own<'GPUBindGroup'>;
export type GPUBuffer = Own<'GPUBuffer'>;
export type GPUComputePassEncoder = Own<'GPUComputePassEncoder'>;
export type GPUComputePipeline = Own<'GPUComputePipeline'>;
export type GPUDevice = Own<'GPUDevice'>;
