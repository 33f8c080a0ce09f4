// What the agent does when there is nothing to do: how often a timer of its own wakes it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Timer } from '../../src/domain/ports.ts';
import { serveFacility } from '../support/building.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { SYSTEM } from '../support/room.ts';
import { temporaryFolder } from '../support/store.ts';

const MINUTES = 10;

class CountingClock extends ManualClock {
  fired = 0;

  override after(delayMs: number, run: () => void): Timer {
    return super.after(delayMs, () => {
      this.fired++;
      run();
    });
  }
}

/**
 * A measure of the loop and a look at the database's files, each once a second, and what the link's tries and the
 * states need.
 */
const MOST_A_SECOND = 2.5;

it('an agent that serves nothing and whose broker is away is woken hardly more than twice a second', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'idle.yaml');
  writeFileSync(
    file,
    `
facility: idle
acs_system_id: ${SYSTEM}
time_zone: UTC
clock: {trust: always}
mqtt: {url: "mqtt://127.0.0.1:9"}
store: {path: ${join(folder, 'lintel.db')}, events: {keep: 90d}}
buses: {}
controllers: {}
entrances: {}
`,
  );
  const clock = new CountingClock();
  await serveFacility(file, clock);
  await clock.advance(60_000);
  const before = clock.fired;
  await clock.advance(MINUTES * 60_000);
  expect(clock.fired - before).toBeLessThanOrEqual(MINUTES * 60 * MOST_A_SECOND);
});
