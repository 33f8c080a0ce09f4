// What a device's wire has carried, from nothing.

import type { DeviceCounters } from '../../src/domain/ports.ts';

export const newCounters = (): DeviceCounters => ({
  requests: 0,
  replies: 0,
  timeouts: 0,
  retries: 0,
  crcErrors: 0,
  exceptions: 0,
  bytesSent: 0,
  bytesReceived: 0,
});
