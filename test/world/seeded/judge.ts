// What must be true of the world of a seed when all faults are over: every command answered and in force, every event
// delivered and chained, the panel as it was commanded.

import { ChainCheck } from '../../../src/cli/audit-chain.ts';
import type { Store } from '../../../src/store/store.ts';
import { CREDENTIAL_IDS } from './cast.ts';
import { ENTRANCE_NAMES, ENTRANCES } from './facility.ts';
import type { Gateway } from './gateway.ts';
import type { Hardware } from './hardware.ts';
import type { Model } from './model.ts';
import { Wrong } from './played.ts';

export type Judged = {
  gateway: Gateway;
  hardware: Hardware;
  /** As they were delivered, by their numbers. */
  events: Map<number, string>;
  model: Model;
  /** Somebody set the clock: what a window says is not certain. */
  isClockDoubtful: boolean;
};

export function judge(parts: Judged): void {
  const {
    gateway: { agent },
    model,
  } = parts;
  const store = agent?.store;
  if (agent == null || store == null)
    throw new Wrong(`nothing is served in the end: ${agent?.refusal ?? 'the process is gone'}`);
  const waiting = [...model.pending].map(([id, { name }]) => `${id} ${name}`);
  if (waiting.length > 0) throw new Wrong(`never answered: ${waiting.join(', ')}`);
  judgeLog(parts, store.events.lastSequence());
  for (const id of CREDENTIAL_IDS) judgeHolding(parts, id, store);
  if (!parts.isClockDoubtful) judgePanel(parts);
}

function judgeLog({ events }: Judged, last: number): void {
  const numbers = [...events.keys()].sort((a, b) => a - b);
  const missing = Array.from({ length: last }, (_, i) => i + 1).filter((number) => !events.has(number));
  if (missing.length > 0)
    throw new Wrong(`events that never came to the broker: ${missing.slice(0, 10).join(', ')} of ${last}`);
  const check = new ChainCheck();
  for (const number of numbers) {
    const json = events.get(number) ?? '';
    check.add(json, JSON.parse(json) as Record<string, unknown>);
  }
  const [finding] = check.end().findings;
  if (finding !== undefined) throw new Wrong(`the log does not verify: ${finding.sequence} ${finding.problem}`);
}

function judgeHolding({ gateway, model }: Judged, id: string, store: Store): void {
  const wanted = model.holdings.get(id);
  const found = store.credentials.byId(id);
  if (wanted === undefined) {
    if (found !== undefined) throw new Wrong(`credential ${id} is there, and was deleted or never made`);
    return;
  }
  if (found === undefined) throw new Wrong(`credential ${id} is gone, and its making was acknowledged`);
  const told = { startsAtMs: found.starts_at, endsAtMs: found.ends_at };
  const { startsAtMs, endsAtMs } = wanted;
  if (told.startsAtMs !== startsAtMs || told.endsAtMs !== endsAtMs) throw new Wrong(`credential ${id} has the window ${JSON.stringify(told)}, and should have ${JSON.stringify({ startsAtMs, endsAtMs })}`); // prettier-ignore
  for (const name of ENTRANCE_NAMES) {
    const entrance = gateway.agent?.site?.byId(ENTRANCES[name]);
    const paths =
      entrance === undefined ? [] : (store.reach.one(found.credential_key, entrance.entranceKey)?.paths ?? []);
    if (paths.length > 0 !== model.reaches(wanted, name)) throw new Wrong(`credential ${id} ${paths.length > 0 ? 'reaches' : 'does not reach'} ${name}`); // prettier-ignore
  }
}

function judgePanel({ gateway, hardware, model }: Judged): void {
  const held = [...hardware.panel.held().values()];
  for (const holding of model.holdings.values()) {
    const isHeld = held.some(({ card, pin }) => holding.secret === pin || card === `H10301:1:${holding.secret}`);
    const valid = model.isValid(holding, 'store', gateway.nowMs());
    const isAhead = holding.startsAtMs !== null && holding.startsAtMs > gateway.nowMs();
    if (holding.isOneTime) continue;
    if (valid === 'yes' && !isHeld) throw new Wrong(`the panel does not hold ${holding.id}, which is valid there`);
    if (valid === 'no' && isHeld && !isAhead)
      throw new Wrong(`the panel holds ${holding.id}, which is not valid there`);
  }
  const secrets = new Set([...model.holdings.values()].flatMap(({ secret }) => [secret, `H10301:1:${secret}`]));
  for (const { card, pin } of held)
    if (!secrets.has(card ?? '') && !secrets.has(pin ?? ''))
      throw new Wrong(`the panel holds ${card === null ? 'a code' : card} that nobody has`);
}
