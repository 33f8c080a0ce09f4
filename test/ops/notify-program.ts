// A daemon of a few lines that a test starts as systemd would: it does what it is told on stdin, one word a line, and
// prints how its notifications travel.

import { createInterface } from 'node:readline';
import { createLog } from '../../src/ops/log.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { openNotifier } from '../../src/ops/systemd.ts';

const log = createLog({
  clock: systemClock,
  level: 'debug',
  format: 'json',
  colour: false,
  write: (line) => process.stderr.write(line),
});
const notifier = openNotifier(systemClock, log, process.env, process.pid);
let healthy: () => boolean = () => true;
/** How often it was looked, and how many times more until that is told. */
let looksLeft = 0;
const look = (): boolean => {
  if (looksLeft > 0 && --looksLeft === 0) console.log('looked ten times');
  return healthy();
};

const words: Record<string, () => void> = {
  ready: () => notifier.ready('serving 3 doors'),
  status: () => notifier.status('two lines\nREADY=1'),
  watchdog: () => notifier.startWatchdog(look),
  sick: () => (healthy = () => false),
  throwing: () => {
    healthy = () => {
      throw new Error('the store does not answer');
    };
  },
  'ten looks': () => (looksLeft = 10),
  well: () => (healthy = () => true),
  extend: () => notifier.extendTimeout(1500),
  flood: () => {
    for (let i = 0; i < 200; i += 1) notifier.status(`flood ${i}`);
    console.log('went on');
  },
  via: () => console.log(notifier.via()),
  stop: () => {
    notifier.stopping('closing');
    void notifier.close(5000).then(() => process.exit(0));
  },
};

console.log(`up ${process.pid}`);
createInterface({ input: process.stdin }).on('line', (word) => words[word]?.());
