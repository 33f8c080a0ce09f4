// Opens a line of bytes: a serial device, or a serial converter on the network. It pulls in a native module, so it is
// for those who compose the whole; a driver is handed it as a port, and knows nothing of it.

import { parseConverter } from '../src/domain/line.ts';
import type { Clock, OpenPort } from './driver.ts';
import { openConverter } from './port/converter.ts';
import { openSerial } from './port/serial.ts';

/**
 * Opens serial devices and `tcp://host:port` converters. Nothing is delivered before the promise has resolved. A lost
 * line lets go of the device by itself; a lost or closed one takes no more bytes. `close` throws away what has not left
 * (so `drain` first), never rejects, and is done within 2 s.
 */
export function portOpener(clock: Clock): OpenPort {
  return async (settings, handlers, timeoutMs) => {
    const address = parseConverter(settings.path);
    const line =
      address === null
        ? await openSerial(clock, settings, handlers, timeoutMs)
        : await openConverter(clock, settings, address, handlers, timeoutMs);
    clock.immediate(() => line.begin());
    return line;
  };
}
