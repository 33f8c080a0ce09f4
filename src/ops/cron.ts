// The real hours, by node-cron.

import { schedule } from 'node-cron';
import type { Cron } from '../domain/cron.ts';

export const systemCron: Cron = {
  schedule(expression, timeZone, run) {
    const task = schedule(expression, run, { timezone: timeZone });
    return { stop: async () => await task.destroy() };
  },
};
