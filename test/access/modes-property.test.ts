// Modes under any order of commands, inputs, time and restarts: the strongest of what wants something holds, whatever
// came and went, and an explanation says what the door does.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ModeInput } from '../../src/domain/facility.ts';
import { MODE_KINDS, type Mode, type ModeKind } from '../../src/domain/modes.ts';
import { turn } from '../support/manual-clock.ts';
import { LOBBY } from '../support/room.ts';
import { asked, ID, last, withCard } from './world.ts';

const input = (name: string, at: number, mode: ModeInput['mode'], isLatched: boolean): ModeInput => ({
  name,
  controller: 'relay-board',
  input: at,
  isNormallyClosed: false,
  mode,
  isLatched,
  entrances: null,
});
const INPUTS = [
  input('fire', 5, 'evacuate', true),
  input('panic', 6, 'lockdown', false),
  input('key', 7, 'locked', false),
];

type Wanted = { kind: ModeKind; mode: Mode; untilMs: number };

const step = fc.oneof(
  fc.record({
    do: fc.constant('set' as const),
    mode: fc.constantFrom('normal', 'unlocked', 'locked', 'lockdown', 'evacuate' as const),
    forMs: fc.constantFrom(null, 60_000, 600_000),
  }),
  fc.record({ do: fc.constant('lockdown' as const) }),
  fc.record({ do: fc.constant('clear' as const), isLocal: fc.boolean() }),
  fc.record({ do: fc.constant('input' as const), index: fc.integer({ min: 0, max: 2 }), isActive: fc.boolean() }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(30_000, 300_000) }),
  fc.record({ do: fc.constant('restart' as const) }),
);

it('the strongest holds, one that goes leaves the next, and what is explained is done', async () => {
  let commands = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const here = await withCard({ modeInputs: INPUTS });
      let doors = here.access;
      doors.start();
      const feel = async (index: number, active: boolean): Promise<void> => {
        doors.input({
          type: 'input',
          device: 'relay-board',
          input: 5 + index,
          active,
          atMonotonicMs: 0,
          changedAfterMonotonicMs: 0,
        });
        await turn();
      };
      const seen = [false, false, false];
      for (const index of seen.keys()) await feel(index, false);
      const wanted = new Map<string, Wanted>();
      const send = (name: string, params: object, source: 'mqtt' | 'local' = 'mqtt') => {
        const expires_at = new Date(here.clock.nowMs() + 30_000).toISOString();
        return here.caller.call(name, params, { command_id: `p-${++commands}`, expires_at }, { source });
      };
      for (const one of steps) {
        const nowMs = here.clock.nowMs();
        if (one.do === 'set') {
          const until = one.forMs === null ? {} : { until: new Date(nowMs + one.forMs).toISOString() };
          const { ok } = await send('entrances/set_mode', { acs_entrance_id: LOBBY, mode: one.mode, ...until });
          expect(ok).toBe(one.mode !== 'unlocked' || one.forMs !== null);
          const kind = one.mode === 'evacuate' || one.mode === 'lockdown' ? one.mode : 'command';
          if (ok && one.mode === 'normal' && one.forMs === null)
            for (const of of MODE_KINDS) wanted.delete(`${of} entrance`);
          else if (ok)
            wanted.set(`${kind} entrance`, { kind, mode: one.mode, untilMs: nowMs + (one.forMs ?? Infinity) });
        } else if (one.do === 'lockdown') {
          await send('facility/lockdown', {});
          wanted.set('lockdown facility', { kind: 'lockdown', mode: 'lockdown', untilMs: Infinity });
        } else if (one.do === 'clear') {
          await send('facility/all_clear', {}, one.isLocal ? 'local' : 'mqtt');
          for (const origin of ['entrance', 'facility']) {
            wanted.delete(`lockdown ${origin}`);
            wanted.delete(`evacuate ${origin}`);
          }
          if (one.isLocal && !seen[0]) wanted.delete('evacuate fire');
        } else if (one.do === 'input') {
          seen[one.index] = one.isActive;
          await feel(one.index, one.isActive);
          const { name, mode, isLatched } = INPUTS[one.index] ?? input('', 0, 'locked', false);
          const kind = mode === 'evacuate' || mode === 'lockdown' ? mode : 'command';
          if (one.isActive) wanted.set(`${kind} ${name}`, { kind, mode, untilMs: Infinity });
          else if (!isLatched) wanted.delete(`${kind} ${name}`);
        } else if (one.do === 'wait') await here.clock.advance(one.ms);
        else {
          doors.rest();
          doors.stop();
          doors = here.restart();
          doors.start();
          for (const [index, active] of seen.entries()) await feel(index, active);
        }
        for (const [key, { untilMs }] of wanted) if (untilMs <= here.clock.nowMs()) wanted.delete(key);
        const strongest = MODE_KINDS.find((kind) => [...wanted.values()].some((other) => other.kind === kind));
        const modes = [...wanted.values()].filter(({ kind }) => kind === strongest).map(({ mode }) => mode);
        const { mode } = doors.state(here.entrance).mode;
        expect(strongest === undefined ? ['normal'] : modes).toContain(mode);
        const how = asked({ trusted: true, nowMs: here.clock.nowMs(), floorMs: null, isGraceLeft: true });
        const explained = doors.explain(here.entrance, { acsCredentialId: ID }, { ...how, isNow: true });
        here.card();
        const did = explained.reason === null ? 'lock.unlocked' : `lock.access_denied ${explained.reason}`;
        expect(last(here)).toBe(did);
        expect(explained.reason).toBe(
          mode === 'locked' ? 'entrance_locked' : mode === 'lockdown' ? 'entrance_locked_down' : null,
        );
      }
      doors.rest();
      doors.stop();
    }),
    { numRuns: 40 },
  );
}, 60_000);
