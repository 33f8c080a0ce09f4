// What every code has to pass before it is looked up: the budgets of the reader, the entrance, the card that it is
// tried with, and the facility. They are held in memory, so that a full disk ends none of them, and written with each
// wrong code before anybody is told of it, so that no restart refills them.

import type { Policy } from '../domain/facility.ts';
import type { Clock } from '../domain/ports.ts';
import type { Store } from '../store/store.ts';
import {
  accountOf,
  charge,
  isSettled,
  lockedForMs,
  newAccount,
  refunded,
  rowOf,
  type GuessAccount,
  type GuessRule,
} from './guess-account.ts';
import { isSlip } from '../domain/slip.ts';

/**
 * Where a code is entered. `place`: the entrance, by its id, or the lift. `acsCredentialId`: the card that it is tried
 * with; null: alone.
 */
export type CodePlace = { reader: string; place: string; acsCredentialId: string | null };

export type PlaceKind = 'reader' | 'entrance' | 'card' | 'facility';
export type Lock = { kind: PlaceKind; forMs: number; why: 'attempts' | 'per_day' };

const FACILITY = 'facility';
/** A right code gives back at most so many slips of its own, */
const MOST_SLIPS = 2;
/** made so shortly before, */
const SLIP_WITHIN_MS = 60_000;
/** and not again for so long. */
const SLIPS_EVERY_MS = 6 * 3_600_000;
const MOST_WRONG_KEPT = 16;
const MOST_FORGIVEN_KEPT = 1000;

type Wrong = { digits: string; atMs: number; names: readonly string[] };

export class CodeGate {
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #rules: Readonly<Record<PlaceKind, GuessRule>>;
  readonly #accounts = new Map<string, GuessAccount>();
  /** Accounts that differ from what is on disk. */
  readonly #unwritten = new Set<string>();
  /** Accounts that are locked on disk, and would be again after a restart. */
  readonly #lockedOnDisk = new Set<string>();
  /** Wrong codes of the last minute, by reader: in memory only, to tell slips of a code that is then right. */
  readonly #wrong = new Map<string, Wrong[]>();
  /** When a credential's slips were last given back, monotonic. */
  readonly #forgiven = new Map<string, number>();
  #isSlowed = false;

  constructor(store: Store, clock: Clock, policy: Policy['lockout']) {
    this.#store = store;
    this.#clock = clock;
    this.#rules = rulesOf(policy);
    const nowMs = clock.monotonicMs();
    for (const row of store.guesses.all()) {
      if (this.#ruleOf(row.name) === null) continue;
      this.#accounts.set(row.name, accountOf(row, nowMs));
      if (row.lock_ms > 0) this.#lockedOnDisk.add(row.name);
    }
  }

  /** How long codes are not looked up here, ms; 0: they are. */
  lockedForMs(place: CodePlace): number {
    const nowMs = this.#clock.monotonicMs();
    const each = namesAt(place).map(([kind, name]) => {
      // Whoever shows a card that is let in is no passer-by who tries codes: what others do elsewhere does not slow
      // them down.
      if (kind === 'facility' && place.acsCredentialId !== null) return 0;
      const account = this.#accounts.get(name);
      if (account === undefined) return 0;
      return lockedForMs(account, this.#rules[kind], nowMs);
    });
    return Math.max(...each);
  }

  /**
   * A code that nobody has here. Returns the locks that it brings about; `facility` the first time only. Write it
   * before anybody is told.
   */
  wrong(place: CodePlace, digits: string): Lock[] {
    const nowMs = this.#clock.monotonicMs();
    const names = namesAt(place);
    const locks = names.flatMap(([kind, name]): Lock[] => {
      const account = this.#accounts.get(name) ?? newAccount(name, nowMs);
      const charged = charge(account, this.#rules[kind], nowMs);
      this.#set(charged.account);
      return charged.lock === null ? [] : [{ kind, ...charged.lock }];
    });
    const recent = this.#recent(place.reader, nowMs).slice(1 - MOST_WRONG_KEPT);
    this.#wrong.set(place.reader, [...recent, { digits, atMs: nowMs, names: names.map(([, name]) => name) }]);
    const wasSlowed = this.#isSlowed;
    this.#isSlowed = this.#isPinEntrySlowed(wasSlowed, nowMs);
    return locks.filter(({ kind }) => kind !== 'facility' || !wasSlowed);
  }

  /** How long no finger, and no code, is tried with this card, ms; 0: it is. */
  cardLockedForMs(acsCredentialId: string): number {
    const account = this.#accounts.get(cardName(acsCredentialId));
    return account === undefined ? 0 : lockedForMs(account, this.#rules.card, this.#clock.monotonicMs());
  }

  /** Another finger than those of the card's person: counted with the wrong codes of that card, and with nothing else. */
  wrongFinger(acsCredentialId: string): Lock[] {
    const nowMs = this.#clock.monotonicMs();
    const name = cardName(acsCredentialId);
    const charged = charge(this.#accounts.get(name) ?? newAccount(name, nowMs), this.#rules.card, nowMs);
    this.#set(charged.account);
    return charged.lock === null ? [] : [{ kind: 'card', ...charged.lock }];
  }

  /** A code was right. It gives back what its own slips cost, and nothing that anybody else spent. */
  right(place: CodePlace, digits: string, acsCredentialId: string): void {
    const nowMs = this.#clock.monotonicMs();
    // It was looked up: whatever locks there were here are over, and a restart need not serve them again.
    for (const [, name] of namesAt(place)) if (this.#lockedOnDisk.has(name)) this.#unwritten.add(name);
    const recent = this.#recent(place.reader, nowMs);
    const slips = recent.filter((wrong) => isSlip(wrong.digits, digits)).slice(-MOST_SLIPS);
    this.#wrong.set(
      place.reader,
      recent.filter((wrong) => !isSlip(wrong.digits, digits)),
    );
    const forgivenAtMs = this.#forgiven.get(acsCredentialId);
    if (slips.length === 0 || (forgivenAtMs !== undefined && nowMs - forgivenAtMs < SLIPS_EVERY_MS)) return;
    this.#forgiven.delete(acsCredentialId);
    this.#forgiven.set(acsCredentialId, nowMs);
    for (const [oldest] of this.#forgiven) if (this.#forgiven.size > MOST_FORGIVEN_KEPT) this.#forgiven.delete(oldest);
    for (const name of slips.flatMap(({ names }) => names)) {
      const account = this.#accounts.get(name);
      const rule = this.#ruleOf(name);
      if (account !== undefined && rule !== null) this.#set(refunded(account, rule, 1, nowMs));
    }
  }

  // ---- what outlives the process ------------------------------------------------------------------------------------

  get isUnwritten(): boolean {
    return this.#unwritten.size > 0;
  }

  /**
   * Inside a transaction: writes what changed. `written` follows once that is durable; until then it is written again
   * with the next one.
   */
  write(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const name of this.#unwritten) {
      const account = this.#accounts.get(name);
      const rule = this.#ruleOf(name);
      if (account === undefined || rule === null || isSettled(account, rule, nowMs)) this.#store.guesses.delete(name);
      else this.#store.guesses.put(rowOf(account, rule, nowMs));
    }
  }

  written(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const name of this.#unwritten) {
      const account = this.#accounts.get(name);
      const rule = this.#ruleOf(name);
      if (account !== undefined && account.lockedUntilMs > nowMs) this.#lockedOnDisk.add(name);
      else this.#lockedOnDisk.delete(name);
      if (account !== undefined && rule !== null && isSettled(account, rule, nowMs)) this.#accounts.delete(name);
    }
    this.#unwritten.clear();
  }

  /**
   * Everything differs from what is on disk by the time that has passed: before an orderly stop it is worth writing.
   */
  touchAll(): void {
    for (const name of this.#accounts.keys()) this.#unwritten.add(name);
  }

  // ---- small things -------------------------------------------------------------------------------------------------

  #set(account: GuessAccount): void {
    this.#accounts.set(account.name, account);
    this.#unwritten.add(account.name);
  }

  #ruleOf(name: string): GuessRule | null {
    const kind = KINDS.find((one) => name === one || name.startsWith(`${one} `));
    return kind === undefined ? null : this.#rules[kind];
  }

  #recent(reader: string, nowMs: number): Wrong[] {
    return (this.#wrong.get(reader) ?? []).filter(({ atMs }) => nowMs - atMs <= SLIP_WITHIN_MS);
  }

  /** Told anew only once half of the budget has drained in between: an alarm that rings at every code is no alarm. */
  #isPinEntrySlowed(wasSlowed: boolean, nowMs: number): boolean {
    const account = this.#accounts.get(FACILITY);
    const rule = this.#rules.facility;
    if (account === undefined || rule.perDay === null) return false;
    const { spent } = rowOf(account, rule, nowMs);
    return wasSlowed ? spent > rule.perDay / 4 : spent + 1 > rule.perDay / 2;
  }
}

const KINDS: readonly PlaceKind[] = ['reader', 'entrance', 'card', 'facility'];

const cardName = (acsCredentialId: string): string => `card ${acsCredentialId}`;

function namesAt({ reader, place, acsCredentialId }: CodePlace): [PlaceKind, string][] {
  return [
    ['reader', `reader ${reader}`],
    ['entrance', `entrance ${place}`],
    ...(acsCredentialId === null ? [] : [['card', cardName(acsCredentialId)] satisfies [PlaceKind, string]]),
    ['facility', FACILITY],
  ];
}

/** A reader is locked by a row of wrong codes; all readers of an entrance share its day. */
function rulesOf(policy: Policy['lockout']): Record<PlaceKind, GuessRule> {
  const { attempts, windowMs, firstMs, maxMs, perDay, perDayCard, perDayFacility } = policy;
  const burst = { attempts, windowMs, firstMs, maxMs };
  return {
    reader: { burst, perDay: null, pauseMs: null },
    entrance: { burst: null, perDay, pauseMs: null },
    card: { burst, perDay: perDayCard, pauseMs: null },
    facility: { burst: null, perDay: perDayFacility, pauseMs: firstMs },
  };
}
