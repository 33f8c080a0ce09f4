// What the running agent says of itself: doors, broker, lines, controllers.

import type { Facility } from '../domain/facility.ts';
import { fieldsIn, isFields, type Fields } from '../domain/fields.ts';
import { Findings, splitRemedy, type Finding } from './finding.ts';

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];

const LOG = 'journalctl -u lintel@NAME says more';

/** `status`: as `lintel status --json` has it; a text: why nobody answers. */
export function checkAgent(status: Fields | string, facility: Facility): Finding[] {
  const found = new Findings('agent');
  const log = LOG.replace('NAME', facility.name);
  const tell = (severity: 'warning' | 'fault', message: string, which: string | null): void => {
    const { says, remedy } = splitRemedy(message, log);
    found[severity](says, remedy, which);
  };
  if (typeof status === 'string') {
    const { says, remedy } = splitRemedy(status, `systemctl start lintel@${facility.name}`);
    found.fault(says, remedy);
    return found.all;
  }
  const refusal = textOf(status['refusal']);
  if (refusal !== null) tell('fault', refusal, null);
  else found.good(`serves doors, version ${textOf(status['version']) ?? 'unknown'}`);
  const storage = textOf(status['storage_problem']);
  if (storage !== null && storage !== refusal) tell('fault', storage, 'storage');
  const blocked = textOf(status['outbox_blocked']);
  if (blocked !== null) tell('fault', blocked, 'outbox');
  const { health, broker } = status;
  if (isFields(health))
    for (const { name, problem } of fieldsIn(health['failing']))
      tell('fault', textOf(problem) ?? 'not well', textOf(name));
  if (isFields(broker)) {
    if (broker['connected'] !== true)
      tell('fault', textOf(broker['problem']) ?? 'the agent is not connected to its broker', 'broker');
    else if (textOf(broker['problem']) !== null) tell('fault', textOf(broker['problem']) ?? '', 'broker');
    else found.good('connected to its broker', 'broker');
    for (const warning of textsOf(broker['warnings'])) tell('warning', warning, 'broker');
  }
  for (const bus of fieldsIn(status['buses'])) {
    const problem = textOf(bus['problem']);
    if (problem !== null) tell('fault', problem, textOf(bus['bus']));
  }
  for (const controller of fieldsIn(status['controllers'])) checkController(found, tell, controller);
  return found.all;
}

function checkController(
  found: Findings,
  tell: (severity: 'warning' | 'fault', message: string, which: string | null) => void,
  { controller, online, problem, problems }: Fields,
): void {
  const name = textOf(controller);
  const said = textOf(problem);
  if (online !== true)
    tell('fault', said ?? 'does not answer. Remedy: check its power, its cable and its address', name);
  else if (said !== null) tell('warning', said, name);
  const further = textsOf(problems);
  for (const one of further) tell('warning', one, name);
  if (online === true && said === null && further.length === 0) found.good('answers', name);
}

/** Buses on which a device answers just now. */
export function onlineBuses(status: Fields | string): Set<string> {
  if (typeof status === 'string') return new Set();
  return new Set(
    fieldsIn(status['controllers']).flatMap(({ online, bus }) =>
      online === true && typeof bus === 'string' ? [bus] : [],
    ),
  );
}
