// Questions by card or code (`entrances/explain`, `lintel swipe`) answer what a door would, without anybody standing
// there. They are for whoever the facility file says, so many a day, and leave an event of each burst: how many, with
// what outcome, by which way and from whom.

import { newEvent, type NewEvent } from '../domain/events.ts';
import { OperatingError } from '../domain/errors.ts';
import type { ExplainBySecret } from '../domain/facility.ts';
import type { Clock } from '../domain/ports.ts';
import { Tally } from '../domain/tally.ts';
import type { GuessRow } from '../store/guesses.ts';
import { accountOf, charge, lockedForMs, newAccount, rowOf, type GuessAccount } from './guess-account.ts';

export const QUESTIONS_PER_DAY = 200;
const RULE = { burst: null, perDay: QUESTIONS_PER_DAY, pauseMs: null } as const;
/** Senders told apart; what more there are is told together. */
const MOST_SENDERS = 32;

/** By which way, and who its sender says it is. */
export type Questioner = { source: 'mqtt' | 'local'; sender: string | null };
export type QuestionOutcome = 'granted' | 'denied' | 'refused';

export type QuestionPorts = {
  clock: Clock;
  policy: ExplainBySecret;
  acsSystemId: string;
  kept: readonly GuessRow[];
  /** Durable when it returns; what the disk refuses, memory keeps. */
  keep: (row: GuessRow) => void;
  record: (event: NewEvent) => void;
};

export class SecretQuestions {
  readonly #ports: QuestionPorts;
  readonly #accounts = new Map<string, GuessAccount>();
  readonly #tallies = new Map<string, Tally>();

  constructor(ports: QuestionPorts) {
    this.#ports = ports;
    const nowMs = ports.clock.monotonicMs();
    for (const row of ports.kept)
      if (row.name.startsWith('explain ')) this.#accounts.set(row.name, accountOf(row, nowMs));
  }

  /**
   * Throws `not_permitted`, with the remedy, where this must not be asked, or not any more today. Counts it durably
   * before it is answered.
   */
  admit(questioner: Questioner): void {
    const problem = this.#whyNot(questioner);
    if (problem === null) return;
    this.answered(questioner, 'refused');
    throw new OperatingError('not_permitted', problem, ['params']);
  }

  answered(questioner: Questioner, outcome: QuestionOutcome): void {
    this.#tallyOf(questioner).add(outcome);
  }

  stop(): void {
    for (const tally of this.#tallies.values()) tally.stop();
  }

  #whyNot({ source }: Questioner): string | null {
    const { policy, clock, keep } = this.#ports;
    const instead = 'Remedy: ask by acs_credential_id';
    if (policy === 'never')
      return `policy.explain_by_secret of the facility file says never: nobody asks by card or code. ${instead}`;
    if (policy === 'local' && source === 'mqtt')
      return `by card or code only on the gateway itself (lintel swipe). ${instead}, or set policy.explain_by_secret: mqtt in the facility file`;
    const nowMs = clock.monotonicMs();
    const name = `explain ${source}`;
    const account = this.#accounts.get(name) ?? newAccount(name, nowMs);
    const waitMs = lockedForMs(account, RULE, nowMs);
    if (waitMs > 0)
      return `${QUESTIONS_PER_DAY} questions a day by card or code, and they are spent: the next one in ${Math.ceil(waitMs / 60_000)} min. ${instead}, or show it to the reader`;
    const charged = charge(account, RULE, nowMs).account;
    this.#accounts.set(name, charged);
    keep(rowOf(charged, RULE, nowMs));
    return null;
  }

  #tallyOf({ source, sender }: Questioner): Tally {
    const own = `${source} ${sender ?? ''}`;
    const isOne = this.#tallies.has(own) || this.#tallies.size < MOST_SENDERS;
    const key = isOne ? own : `${source}, others`;
    const known = this.#tallies.get(key);
    if (known !== undefined) return known;
    const { clock, record, acsSystemId } = this.#ports;
    const tally = new Tally(clock, {
      tell: ({ count, kinds, sinceMs, untilMs }) =>
        record(
          newEvent('agent.explained_by_secret', {
            acs_system_id: acsSystemId,
            source,
            sender: isOne ? sender : null,
            count,
            granted: kinds['granted'] ?? 0,
            denied: kinds['denied'] ?? 0,
            refused: kinds['refused'] ?? 0,
            since: new Date(sinceMs).toISOString(),
            until: new Date(untilMs).toISOString(),
          }),
        ),
    });
    this.#tallies.set(key, tally);
    return tally;
  }
}
