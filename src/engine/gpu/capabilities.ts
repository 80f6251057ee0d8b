import type { GPUAdapterInfo, GPUDevice } from '../../core/globals.ts';
/** How an adapter wants its kernels: the family that the built-in variant tables are keyed by. */
export type AdapterFamily = 'lavapipe' | 'swiftshader' | 'gpu';

/** Where the driver came from: the machine, or the one that ships with the package. */
export type DriverOrigin = 'system' | 'bundled';

/** What kernels may rely on, fixed when the device is opened. */
export interface Capabilities {
  readonly description: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly family: AdapterFamily;
  readonly software: boolean;
  readonly driver: DriverOrigin;
  /** Lanes of a subgroup where the device fixes that number and offers the feature, else 0. */
  readonly subgroupSize: number;
  readonly f16: boolean;
  readonly timestamps: boolean;
  readonly maxBindingBytes: number;
  readonly maxBufferBytes: number;
  readonly maxUniformBytes: number;
  readonly maxInvocations: number;
  readonly maxWorkgroupBytes: number;
  readonly maxWorkgroups: number;
  readonly maxStorageBuffers: number;
  /** Bytes that a binding's offset must be a multiple of. */
  readonly offsetAlignment: number;
}

/** Family by the adapter's own description. */
export function familyOf(info: {
  readonly description: string;
  readonly vendor: string;
  readonly architecture: string;
}): AdapterFamily {
  const text = `${info.description} ${info.vendor} ${info.architecture}`.toLowerCase();
  if (text.includes('llvmpipe') || text.includes('lavapipe')) return 'lavapipe';
  if (text.includes('swiftshader')) return 'swiftshader';
  return 'gpu';
}

/** Reads what a device offers. `driver` is told by whoever found the adapter. */
export function capabilitiesOf(device: GPUDevice, info: GPUAdapterInfo, driver: DriverOrigin): Capabilities {
  const limits = device.limits;
  const family = familyOf(info);
  const fixed = info.subgroupMinSize === info.subgroupMaxSize ? (info.subgroupMinSize ?? 0) : 0;
  return {
    description: info.description || `${info.vendor} ${info.architecture}`.trim() || 'unnamed adapter',
    vendor: info.vendor,
    architecture: info.architecture,
    family,
    software: family !== 'gpu' || info.isFallbackAdapter === true,
    driver,
    subgroupSize: device.features.has('subgroups') ? fixed : 0,
    f16: device.features.has('shader-f16'),
    timestamps: device.features.has('timestamp-query'),
    maxBindingBytes: limits.maxStorageBufferBindingSize,
    maxBufferBytes: limits.maxBufferSize,
    maxUniformBytes: limits.maxUniformBufferBindingSize,
    maxInvocations: limits.maxComputeInvocationsPerWorkgroup,
    maxWorkgroupBytes: limits.maxComputeWorkgroupStorageSize,
    maxWorkgroups: limits.maxComputeWorkgroupsPerDimension,
    maxStorageBuffers: limits.maxStorageBuffersPerShaderStage,
    offsetAlignment: Math.max(limits.minStorageBufferOffsetAlignment, limits.minUniformBufferOffsetAlignment),
  };
}
