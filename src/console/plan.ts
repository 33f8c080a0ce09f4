// What `lintel plan` is told: for each controller that holds credentials, what would be written there and why. It looks
// and changes nothing.

import { OperatingError } from '../domain/errors.ts';
import type { Clock, Device } from '../domain/ports.ts';
import { quoted } from '../domain/outside-text.ts';
import type { Site } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import { didYouMean } from '../domain/words.ts';
import type { ControlRequest } from '../ops/control-protocol.ts';
import type { Store } from '../store/store.ts';
import { describePlan, type PlannedChange } from '../sync/describe.ts';

/** The agent, as far as its plan needs it. */
export type PlanAgent = {
  readonly store: Store | null;
  readonly site: Site | null;
  readonly refusal: string | null;
  readonly preloadMs: number;
  device(name: string): Device | undefined;
  time(): TimeWitness;
};

/** Changes that are told one by one; the counts tell of all. */
const MOST_CHANGES = 1_000;
/** What the agent does by itself, as soon as the controller answers. */
const PENDING: ReadonlySet<PlannedChange['action']> = new Set(['erase', 'schedule', 'check', 'rewrite', 'write']);

/**
 * `{controller?}`: answers `{pending, controllers: [{controller, online, problem, pending, counts, changes}]}`. Throws
 * for a controller without slots.
 */
export async function answerPlan(agent: PlanAgent, clock: Clock, { controller }: ControlRequest): Promise<unknown> {
  const { site, store } = agent;
  if (site === null || store === null)
    throw new OperatingError('internal', agent.refusal ?? 'the agent is starting or stopping: try again in a moment');
  const controllers = [];
  for (const name of chosen(site, controller)) {
    const device = agent.device(name);
    if (device === undefined) continue;
    controllers.push(controllerPlan(device, describePlan(store, site, device, agent.time(), agent.preloadMs)));
    // Doors come first: one controller in one turn of the loop.
    await new Promise<void>((resolve) => clock.immediate(resolve));
  }
  return { pending: controllers.reduce((sum, { pending }) => sum + pending, 0), controllers };
}

function chosen(site: Site, wanted: unknown): readonly string[] {
  const known = site.controllers.filter((name) => site.slotController(name) !== undefined);
  if (wanted === undefined || wanted === null) return known;
  if (typeof wanted !== 'string') throw new OperatingError('invalid_input', '`controller` must be a text');
  if (known.includes(wanted)) return [wanted];
  if (site.controllers.includes(wanted))
    throw new OperatingError('not_supported', `controller ${wanted} holds no credentials`);
  const otherwise = known.length === 0 ? 'there are none that hold credentials' : undefined;
  throw new OperatingError(
    'controller_not_found',
    `there is no controller ${quoted(wanted)}: ${didYouMean(wanted, known, otherwise)}`,
  );
}

function controllerPlan(device: Device, changes: readonly PlannedChange[]) {
  const { online, problem } = device.status();
  const counts: Partial<Record<PlannedChange['action'], number>> = {};
  for (const { action } of changes) counts[action] = (counts[action] ?? 0) + 1;
  return {
    controller: device.name,
    online,
    problem,
    pending: changes.filter(({ action }) => PENDING.has(action)).length,
    counts,
    changes: changes.slice(0, MOST_CHANGES).map(({ slot, acsCredentialId, action, why, atMs }) => ({
      action,
      slot,
      acs_credential_id: acsCredentialId,
      why,
      at: atMs === null ? null : new Date(atMs).toISOString(),
    })),
  };
}
