// What no program can see coming: it is killed with its relays on. The next start begins with the outputs, and the
// order of the frames on the wire shows it.

import { describe, expect, it } from 'vitest';
import { until } from '../support/ports.ts';
import { firstWrites, raiseRelays, STARTED_MS } from '../support/relay-site.ts';

const ALL_OFF = [0, 1, 2, 3, 4, 5].map((output) => [output, false]);

describe('after kill -9 with relays on', { timeout: 180_000 }, () => {
  it('the next start writes the rest state to each output of each board before it writes anything else there', async () => {
    const site = await raiseRelays();
    const first = await site.run();
    await site.openAll();
    await first.signal('SIGKILL');
    expect(site.on()).toEqual(['north/0', 'south/5']);
    for (const line of Object.values(site.lines)) line.unit(1).requests.length = 0;
    await site.run();
    await until(() => site.on().length === 0, 'every relay to be off');
    await site.openAll();
    for (const line of Object.values(site.lines))
      expect(firstWrites(line.unit(1)).sort(([a], [b]) => a - b)).toEqual(ALL_OFF);
  });

  it('a board that is back later than the agent is met in the same way, and the others do not wait for it', async () => {
    const site = await raiseRelays();
    const first = await site.run();
    await site.openAll();
    await first.signal('SIGKILL');
    await site.lines.south.cut();
    for (const line of Object.values(site.lines)) line.unit(1).requests.length = 0;
    const second = await site.run({ waits: false });
    await second.says(/doors are served/, STARTED_MS);
    await until(() => !site.on().includes('north/0'), 'the board that is there to be at rest', STARTED_MS);
    expect(site.on()).toEqual(['south/5']);
    await site.lines.south.start();
    await until(() => site.on().length === 0, 'the board that came back to be at rest', STARTED_MS);
    const { south } = site.lines;
    await until(() => firstWrites(south.unit(1)).length === 6, 'each of its outputs to be written');
    expect(firstWrites(south.unit(1)).sort(([a], [b]) => a - b)).toEqual(ALL_OFF);
    expect(south.unit(1).outputChanges.at(-1)).toMatchObject({ output: 5, energised: false });
  });
});
