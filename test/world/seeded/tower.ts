// The tower of the world of a seed: draws commands, sends them, and takes what was answered into the model.

import type { Played } from './played.ts';
import { Wrong } from './played.ts';
import type { SeededBroker, Sent } from './broker.ts';
import { CREDENTIAL_IDS, GROUP_IDS, GROUPS, iso, PEOPLE, USER_IDS, windowOf } from './cast.ts';
import type { Chance } from './chance.ts';
import { ENTRANCE_NAMES, ENTRANCES } from './facility.ts';
import type { Holding, Model } from './model.ts';

export type TowerOptions = {
  model: Model;
  chance: Chance;
  broker: SeededBroker;
  nowMs: () => number;
  tell: (line: string) => void;
  pass: (ms: number) => Promise<void>;
  /** The agent has it in its journal. */
  isStored: (commandId: string) => boolean;
};

const HOUR_MS = 3_600_000;
/** How far ahead what must expire may be told to. */
const EXPIRES_MS = 50_000;

export class Tower {
  readonly #options: TowerOptions;
  readonly #sent = new Map<string, Sent>();
  #count = 0;
  readonly commands: Played['commands'] = { sent: 0, ok: 0, refused: 0 };
  /** How often the vault was to be unlocked. */
  unlocks = 0;

  constructor(options: TowerOptions) {
    this.#options = options;
  }

  #command(name: string, params: object, touches: readonly string[], done: () => void): void {
    const commandId = `c-${++this.#count}`;
    const expires = /unlock|lockdown|all_clear/.test(name) ? { expires_at: new Date(this.#options.nowMs() + EXPIRES_MS).toISOString() } : {}; // prettier-ignore
    this.#options.model.pending.set(commandId, { name, touches, done });
    this.commands.sent += 1;
    this.#options.tell(`-> ${commandId} ${name} ${JSON.stringify(params)}`);
    const sent = { commandId, name, payload: JSON.stringify({ command_id: commandId, ...expires, params }) };
    this.#sent.set(commandId, sent);
    this.#options.broker.send(sent);
  }

  replied(commandId: string, json: string): void {
    const reply = JSON.parse(json) as {
      ok: boolean;
      result?: { is_stored?: boolean };
      error?: { type: string; message: string };
    };
    const pending = this.#options.model.pending.get(commandId);
    // It came before: a second reply must say the same, and changes nothing.
    if (pending === undefined) return;
    this.#options.model.pending.delete(commandId);
    this.commands[reply.ok ? 'ok' : 'refused'] += 1;
    this.#options.tell(
      `<- ${commandId} ${reply.ok ? 'ok' : `${reply.error?.type ?? ''} ${reply.error?.message ?? ''}`}`,
    );
    if (reply.error?.type === 'internal')
      throw new Wrong(`${pending.name} answers with a mistake of ours: ${reply.error.message}`);
    if (reply.ok && pending.touches.includes('mode')) {
      this.#options.model.isModeKept = reply.result?.is_stored !== false;
      this.#options.model.isModeCertain = true;
    }
    if (reply.ok) pending.done();
  }

  async settleIn(): Promise<void> {
    for (const [name, doors] of GROUPS)
      this.#command('access_groups/create', { acs_access_group_id: GROUP_IDS.get(name), name, acs_entrance_ids: doors.map((door) => ENTRANCES[door]) }, [], () => undefined); // prettier-ignore
    for (const [full_name, acs_user_id] of USER_IDS) this.#command('users/create', { acs_user_id, full_name }, [], () => undefined); // prettier-ignore
    this.#options.broker.overtakes = 0;
    await this.#options.pass(5_000);
    if (this.#options.model.pending.size > 0) throw new Wrong('the first commands are not answered');
    this.#options.broker.overtakes = 0.05;
    for (let i = 0; i < 6; i++) this.#create();
    for (const person of PEOPLE) this.#member(person);
    await this.#options.pass(5_000);
  }

  #create(): void {
    const { holdings } = this.#options.model;
    const at = this.#options.chance.whole(0, CREDENTIAL_IDS.length - 1);
    const id = CREDENTIAL_IDS[at] ?? '';
    if (holdings.has(id) || this.#options.model.isTouched(id)) return;
    const person = this.#options.chance.of(PEOPLE);
    const kind = this.#options.chance.of(['card', 'card', 'code'] as const);
    const entrances = this.#options.chance.is(0.5) ? null : this.#options.chance.some(ENTRANCE_NAMES, 0.5);
    const isOneTime = this.#options.chance.is(0.15);
    const holding: Holding = {
      id,
      person,
      kind,
      secret: kind === 'card' ? String(1000 + at) : String(52_170 + at * 137),
      entrances,
      ...this.#window(),
      isOneTime,
      isUsed: false,
    };
    this.#command('credentials/create', {
      acs_credential_id: id,
      acs_user_id: USER_IDS.get(person),
      access_method: kind,
      ...(kind === 'card' ? { card_number: `H10301:1:${holding.secret}` } : { code: holding.secret }),
      ...(entrances === null ? {} : { allowed_acs_entrance_ids: entrances.map((name) => ENTRANCES[name]) }),
      ...(isOneTime ? { is_one_time_use: true } : {}),
      ...windowOf(holding),
    }, [id, person], () => {
      holdings.set(id, holding);
    }); // prettier-ignore
  }

  #window(): Pick<Holding, 'startsAtMs' | 'endsAtMs'> {
    if (this.#options.chance.is(0.5)) return { startsAtMs: null, endsAtMs: null };
    const now = Math.floor(this.#options.nowMs() / 1000) * 1000;
    const startsAtMs = this.#options.chance.is(0.5) ? now - HOUR_MS : now + this.#options.chance.whole(1, 600) * 1000;
    return { startsAtMs, endsAtMs: startsAtMs + HOUR_MS + this.#options.chance.whole(1, 1200) * 1000 };
  }

  change(): void {
    const { holdings, suspended } = this.#options.model;
    const holding = holdings.size === 0 ? null : this.#options.chance.of([...holdings.values()]);
    const person = this.#options.chance.of(PEOPLE);
    const acs_user_id = USER_IDS.get(person);
    const isIdle = holding !== null && !this.#options.model.isMoving(holding);
    this.#options.chance.weighed<() => void>([
      [4, () => this.#create()],
      [2, () => {
        if (!isIdle) return;
        this.#command('credentials/delete', { acs_credential_id: holding.id }, [holding.id], () => {
          holdings.delete(holding.id);
        });
      }],
      [2, () => {
        if (!isIdle) return;
        const window = this.#window();
        this.#command('credentials/update', { acs_credential_id: holding.id, starts_at: iso(window.startsAtMs), ends_at: iso(window.endsAtMs) }, [holding.id], () => {
          Object.assign(holding, window);
        });
      }],
      [1, () => {
        if (!isIdle) return;
        const entrances = this.#options.chance.some(ENTRANCE_NAMES, 0.5);
        this.#command('credentials/update', { acs_credential_id: holding.id, allowed_acs_entrance_ids: entrances.map((name) => ENTRANCES[name]) }, [holding.id, holding.person, `groups of ${holding.person}`], () => {
          holding.entrances = entrances;
        });
      }],
      [2, () => {
        if (this.#options.model.isTouched(person)) return;
        const isOver = suspended.has(person);
        this.#command(isOver ? 'users/unsuspend' : 'users/suspend', { acs_user_id }, [person], () => {
          if (isOver) suspended.delete(person);
          else suspended.add(person);
        });
      }],
      [3, () => this.#member(person)],
      [1, () => {
        if (this.#options.model.isTouched('mode')) return;
        const isOver = this.#options.model.isLockdown;
        this.#command(isOver ? 'facility/all_clear' : 'facility/lockdown', {}, ['mode'], () => {
          this.#options.model.isLockdown = !isOver;
        });
      }],
      [2, () => {
        this.unlocks += 1;
        this.#command('entrances/unlock', { acs_entrance_id: ENTRANCES.vault }, [], () => undefined);
      }],
    ])(); // prettier-ignore
  }

  #member(person: string): void {
    const name = this.#options.chance.of([...GROUPS.keys()]);
    const touches = [`groups of ${person}`, person];
    if (this.#options.model.isTouched(...touches)) return;
    const members = this.#options.model.members.get(name) ?? new Set();
    const isIn = members.has(person);
    const params = { acs_access_group_id: GROUP_IDS.get(name), acs_user_id: USER_IDS.get(person) };
    this.#command(isIn ? 'access_groups/remove_user' : 'access_groups/add_user', params, touches, () => {
      if (isIn) members.delete(person);
      else members.add(person);
    });
  }

  /** As a sender does who heard nothing: only what was never stored needs it. */
  sendAgain(): void {
    for (const id of this.#options.model.pending.keys()) {
      const sent = this.#sent.get(id);
      if (this.#options.isStored(id)) throw new Wrong(`${id} is stored, and was never answered`);
      if (sent !== undefined) this.#options.broker.send(sent);
    }
  }
}
