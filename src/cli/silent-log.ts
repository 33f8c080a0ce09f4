// A log for simulated devices: what they have to say, they say on the screen.

import type { Log } from '../domain/ports.ts';

const nothing = (): void => undefined;

export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => silentLog };
