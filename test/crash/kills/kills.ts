// One building after the other whose agent is killed at random moments while commands and people keep it busy: while it
// starts, brings an older database forward, serves, gives a broker that is back what waited, copies the database. Broker
// and devices go away at random as well. What must never be is looked at all along, and the disk after each tenth kill.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { program } from '../../support/program.ts';
import { Chance } from '../../world/seeded/chance.ts';
import { lookAtDisk } from './disk.ts';
import { Gateway } from './gateway.ts';
import { Model, Wrong } from './model.ts';
import { leaveOlderDatabase } from './older.ts';
import { People } from './people.ts';
import { DOOR_NAMES, FACILITY, Place } from './place.ts';
import { Tower } from './tower.ts';

/** So many kills, then another building: histories are long, and beginnings many. */
const KILLS_EACH = 100;
const LOOK_EVERY = 10;
const TURN_MS = 5;
/** What the start begins in the background, and the nights, run a minute after it. */
const NIGHT_MS = 60_000;
const NIGHTS_ONE_IN = 250;
const END_MS = 240_000;
const BUSY_MS = 10_000;
export type Killed = {
  kills: Record<string, number>;
  commands: Tower['counts'];
  presented: People['counts'];
  events: number;
  faults: { broker: number; devices: number };
  disks: number;
  recoveriesMs: number[];
};

type Life = 'starting' | 'serving' | 'draining' | 'backup' | 'night';
type World = { place: Place; gateway: Gateway; tower: Tower; people: People; chance: Chance; done: Killed };

export async function killAgain(
  seed: number,
  kills: number,
  options: { isNight?: boolean; tell?: (line: string) => void } = {},
): Promise<Killed> {
  const done: Killed = {
    kills: {},
    commands: { sent: 0, ok: 0, refused: 0, again: 0, fetched: 0 },
    presented: { granted: 0, denied: 0, unknown: 0 },
    events: 0,
    faults: { broker: 0, devices: 0 },
    disks: 0,
    recoveriesMs: [],
  };
  const chance = new Chance(seed);
  for (let left = kills; left > 0; left -= KILLS_EACH) {
    const kept = Math.min(left, KILLS_EACH);
    await oneBuilding(chance.fork(), kept, done, options);
    options.tell?.(`${kills - left + kept} of ${kills} kills`);
  }
  return done;
}

async function oneBuilding(
  chance: Chance,
  kills: number,
  done: Killed,
  { isNight = true, tell = () => undefined }: { isNight?: boolean; tell?: (line: string) => void },
): Promise<void> {
  const place = await Place.raise();
  const model = new Model();
  const tower = new Tower(model, chance.fork());
  const gateway = new Gateway(place);
  const people = new People(place, gateway, tower, chance.fork());
  const world: World = { place, gateway, tower, people, chance, done };
  const life = { isOver: false };
  try {
    if (chance.is(0.5)) leaveOlderDatabase(place, model);
    await tower.connect(place.broker.url);
    let problem: unknown = null;
    const turn = setInterval(() => {
      try {
        people.look();
        if (tower.problem !== null) throw tower.problem;
        if (!life.isOver) tower.next();
        tower.sendAgain();
      } catch (error) {
        problem ??= error;
      }
    }, TURN_MS);
    try {
      const crowd = DOOR_NAMES.map((door) => people.queue(door, () => life.isOver));
      void tower.settleIn().catch((error: unknown) => (problem ??= error));
      crowd.forEach((queue) => void queue.catch((error: unknown) => (problem ??= error)));
      const mayGoOn = (): void => {
        if (problem !== null) throw problem instanceof Error ? problem : new Error('it is not an error');
      };
      for (let kill = 1; kill <= kills; kill++) {
        const kind = drawLife(chance, kill, isNight);
        tell(`kill ${kill}: ${kind}`);
        await oneLife(world, kind);
        mayGoOn();
        done.kills[kind] = (done.kills[kind] ?? 0) + 1;
        if (kill % LOOK_EVERY !== 0) continue;
        lookAtDisk(place, tower);
        done.disks += 1;
      }
      life.isOver = true;
      await Promise.all(crowd);
      await judgeTheEnd(world, mayGoOn);
      mayGoOn();
    } finally {
      life.isOver = true;
      clearInterval(turn);
    }
    for (const name of ['sent', 'ok', 'refused', 'again', 'fetched'] as const)
      done.commands[name] += tower.counts[name];
    for (const name of ['granted', 'denied', 'unknown'] as const) done.presented[name] += people.counts[name];
    done.events += tower.events.size;
    done.recoveriesMs.push(...gateway.recoveriesMs);
  } finally {
    await gateway.kill().catch(() => undefined);
    await tower.end();
    await place.close();
  }
}

/** The first ones of a building early: it is founded then, or brought forward. */
function drawLife(chance: Chance, kill: number, isNight: boolean): Life {
  if (kill <= 4) return 'starting';
  if (isNight && chance.is(1 / NIGHTS_ONE_IN)) return 'night';
  return chance.weighed([
    [35, 'starting'],
    [45, 'serving'],
    [12, 'draining'],
    [8, 'backup'],
  ]);
}

async function oneLife(world: World, kind: Life): Promise<void> {
  const { place, gateway, people, chance, done } = world;
  const { broker } = place;
  if (kind === 'draining') {
    done.faults.broker += 1;
    await broker.end(chance.is(0.5) ? 'SIGKILL' : 'SIGTERM');
  }
  const isCut = chance.is(0.15);
  if (isCut) {
    done.faults.devices += 1;
    await cutSomething(place, chance, people);
  }
  const started = gateway.start(kind === 'serving');
  const kill = async (): Promise<void> => {
    people.killed();
    await gateway.kill();
    await started;
  };
  if (kind === 'starting') {
    await pause(chance.fraction() * 1.1 * medianOf(gateway.recoveriesMs, 600));
    await kill();
  } else {
    await started;
    if (isCut) await mend(place, people);
    if (kind === 'draining') {
      await pause(chance.fraction() * 600);
      await broker.start();
      await pause(chance.fraction() * 800);
    } else if (kind === 'night') {
      await pause(NIGHT_MS + chance.fraction() * 1_500);
    } else if (kind === 'backup') {
      const backup = spawn(program(), ['backup', '--config', place.file], { stdio: 'ignore' });
      await pause(chance.fraction() * 1_500);
      await kill();
      await endOf(backup);
      return;
    } else await untilSoMuchIsDone(world, chance.whole(0, 40));
    await kill();
  }
  if (isCut) await mend(place, people);
}

/** By what is answered and told, not by time: a machine that is busy with other things does less in a second. */
async function untilSoMuchIsDone({ tower, gateway }: World, more: number): Promise<void> {
  const done = (): number => tower.counts.ok + tower.events.size;
  const [before, begunMs] = [done(), performance.now()];
  while (done() < before + more && performance.now() - begunMs < BUSY_MS) {
    gateway.look();
    await pause(1);
  }
}

async function cutSomething(place: Place, chance: Chance, people: People): Promise<void> {
  people.disturbed();
  await chance.of([
    () => place.relayLine.cut(),
    () => place.panelLine.cut(),
    () => place.reader(chance.of(DOOR_NAMES)).unplug(),
  ])();
}

async function mend(place: Place, people: People): Promise<void> {
  people.disturbed();
  await place.mend();
}

/** With it, or before it: a half backup must not pass for a whole one. */
async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  child.kill('SIGKILL');
  await ended;
}

/** Everything is mended, and the agent is let be: all is answered, delivered and in its place. */
async function judgeTheEnd({ place, gateway, tower, people }: World, mayGoOn: () => void): Promise<void> {
  if (!place.broker.isUp) await place.broker.start();
  await mend(place, people);
  await gateway.start();
  const until = async (condition: () => boolean, what: () => string): Promise<void> => {
    const endsAtMs = performance.now() + END_MS;
    while (!condition()) {
      mayGoOn();
      gateway.look();
      if (performance.now() > endsAtMs) throw new Wrong(what());
      await pause(TURN_MS);
    }
  };
  await until(
    () => tower.waiting.length === 0,
    () => `never answered: ${JSON.stringify(tower.waiting.slice(0, 10))}`,
  );
  const digest = await tower.command('facility/digest', {});
  const { people: users, holdings } = tower.model;
  const counted = { users: digest.result?.['users'], credentials: digest.result?.['credentials'] };
  if (counted.users !== users.size || counted.credentials !== holdings.size)
    throw new Wrong(`the digest counts ${JSON.stringify(counted)}, and there are ${users.size} and ${holdings.size}`);
  const { must } = tower.model.codes();
  const held = (): string[] => place.codesAtPanel();
  await until(
    () => held().join() === [...must].sort().join(),
    () => `the panel holds ${held().join(' ')}, and should hold ${[...must].sort().join(' ')}`,
  );
  lookForSecondEffects(tower.events);
  const verified = spawnSync(program(), ['audit', 'verify', '--socket', gateway.socket], { encoding: 'utf8' });
  if (verified.status !== 0) throw new Wrong(`lintel audit verify: ${verified.stdout}${verified.stderr}`);
  const code = await gateway.stop();
  if (code !== 0) throw new Wrong(`it was stopped in order, and ended with ${code ?? 'a signal'}`);
  const last = lookAtDisk(place, tower);
  await gateway.start();
  await tower.fetch(last);
  lookForSecondEffects(tower.events);
}

/** A command has one effect: no two events of one kind about one thing name it. */
function lookForSecondEffects(events: ReadonlyMap<number, string>): void {
  const seen = new Map<string, number>();
  for (const [sequence, json] of events) {
    const event = JSON.parse(json) as Record<string, unknown>;
    const { event_type, command_id, acs_user_id, acs_credential_id, acs_entrance_id } = event;
    if (typeof command_id !== 'string') continue;
    const about = JSON.stringify([event_type, command_id, acs_user_id, acs_credential_id, acs_entrance_id]);
    const before = seen.get(about);
    if (before !== undefined) throw new Wrong(`${command_id} had a second effect: events ${before} and ${sequence}: ${json}`); // prettier-ignore
    seen.set(about, sequence);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function medianOf(values: readonly number[], otherwise: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? otherwise;
}

/** As the runner prints it. */
export function inWords({ kills, commands, presented, events, faults, disks, recoveriesMs }: Killed): string[] {
  const sorted = [...recoveriesMs].sort((a, b) => a - b);
  const at = (share: number): string => `${Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)} ms`; // prettier-ignore
  const total = Object.values(kills).reduce((sum, one) => sum + one, 0);
  return [
    `${total} kills of ${FACILITY}: ${Object.entries(kills).map(([kind, count]) => `${kind} ${count}`).join(', ')}; broker away ${faults.broker}, devices cut ${faults.devices}`,
    `${commands.sent} commands: ${commands.ok} done, ${commands.refused} refused, ${commands.again} sent again; acknowledged and lost 0, done twice 0`,
    `${events} events, each in one form, none missing (${commands.fetched} lost by a killed broker, fetched); ${disks} disks looked at, all sound`,
    `${presented.granted} presentations granted, ${presented.denied} denied, as they must be; ${presented.unknown} cut short`,
    `from exec to doors served, ${sorted.length} times: median ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`,
  ]; // prettier-ignore
}
