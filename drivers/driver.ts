// The contract of a driver and of its description to the facility file. A driver knows this file, `serial-port.ts` and
// `src/domain`, nothing else.

export type * from '../src/domain/biometrics.ts';
export type * from '../src/domain/ports.ts';
export type * from '../src/domain/driver-module.ts';
