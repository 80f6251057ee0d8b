// The package types its main entry only, which Node cannot load as a module.
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect';
}
