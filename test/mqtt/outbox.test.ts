// Events to the broker where numbers are missing: an older log was put back and goes on behind what was given, or rows
// were deleted. Nothing may wait for a number that never comes.

import { describe, expect, it } from 'vitest';
import { newEvent } from '../../src/domain/events.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { Outbox } from '../../src/mqtt/outbox.ts';
import type { Outcome } from '../../src/mqtt/sending.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { silentLog } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const add = (store: Store, sequence: number | null = null): void =>
  void store.now(() => store.events.add(newEvent('agent.storage_low', { free_bytes: 1 }), 1_000, sequence));

type Sent = { sequence: number; answer: (outcome: Outcome) => void };

/** A broker that answers when it is told to. */
function connect(outbox: Outbox): Sent[] {
  const sent: Sent[] = [];
  outbox.connected(({ sequence }, _whole, _stub, answer) => void sent.push({ sequence, answer }));
  return sent;
}

function withNumbersLeftOut(): { store: Store; clock: ManualClock } {
  const clock = new ManualClock();
  const store = openStore(temporaryFolder(), clock);
  for (let i = 0; i < 3; i += 1) add(store);
  add(store, 1_000);
  for (let i = 0; i < 200; i += 1) add(store);
  return { store, clock };
}

describe('an outbox whose numbers have a gap', () => {
  it('delivers what lies behind it, and remembers that over a restart', () => {
    const { store, clock } = withNumbersLeftOut();
    const outbox = new Outbox(store, clock, systemRandom, silentLog);
    expect(outbox.state().depth).toBe(204);
    const sent = connect(outbox);
    const seen: number[] = [];
    for (let next = sent.shift(); next !== undefined; next = sent.shift()) {
      seen.push(next.sequence);
      next.answer({ type: 'acknowledged' });
    }
    expect(seen).toEqual([1, 2, 3, ...Array.from({ length: 201 }, (_, i) => 1_000 + i)]);
    expect(outbox.state()).toMatchObject({ depth: 0, acknowledged: 1_200 });
    outbox.stop();
    add(store);
    expect(connect(new Outbox(store, clock, systemRandom, silentLog)).map(({ sequence }) => sequence)).toEqual([1_201]);
  });

  it('advances over what is acknowledged in order only, also beside the gap', () => {
    const { store, clock } = withNumbersLeftOut();
    const outbox = new Outbox(store, clock, systemRandom, silentLog);
    const sent = connect(outbox);
    const answer = (sequence: number): void =>
      sent.find((event) => event.sequence === sequence)?.answer({ type: 'acknowledged' });
    expect(sent).toHaveLength(64);
    for (const sequence of [1_000, 1_001, 2, 1]) answer(sequence);
    expect(outbox.state().acknowledged).toBe(2);
    answer(3);
    expect(outbox.state().acknowledged).toBe(1_001);
    expect(outbox.state().depth).toBe(199);
  });
});

describe('retention where numbers were left out', () => {
  it('counts events and not numbers, and forgets no more than it is told to', () => {
    const { store } = withNumbersLeftOut();
    expect(store.events.count()).toBe(204);
    expect(store.now(() => store.events.trim(0, 204, 50))).toMatchObject({ removed: 0 });
    expect(store.now(() => store.events.trim(0, 202, 50))).toMatchObject({
      removed: 2,
      unsent: 2,
      last: { sequence: 2 },
    });
    expect(store.now(() => store.events.trim(0, 1, 50))).toMatchObject({ removed: 1, last: { sequence: 3 } });
    expect(store.now(() => store.events.trim(0, 100, 50)).removed).toBe(50);
    expect(store.events.count()).toBe(151);
    expect(store.events.averageBytes()).toBeGreaterThan(100);
  });
});
