// `lintel plan [--watch]`: what would be written to which controller and why, and, followed, how it gets done.

import { OperatingError } from '../domain/errors.ts';
import { CHANNEL_OPTIONS, timeoutOf } from './channel.ts';
import { optionRows, type Program } from './help.ts';
import { openLocalChannel } from './local-channel.ts';
import { noMoreWords, readOptions, type Given, type Option } from './options.ts';
import { isOver, pause } from './pause.ts';
import { progressBar } from './progress.ts';
import { isFields, type Fields } from '../domain/fields.ts';
import { cell } from './show.ts';
import { untilSignal } from './signals.ts';
import { DONE, FAILED, painter, type Terminal } from './terminal.ts';
import { memberOf } from '../domain/named.ts';

const USAGE = 'lintel plan [--controller NAME] [--watch] [--facility NAME | --socket PATH] [--json]';
const OPTIONS: readonly Option[] = [
  { name: 'controller', value: 'NAME', description: 'Only this controller' },
  { name: 'watch', value: null, description: 'Follow it until nothing is pending' },
  ...CHANNEL_OPTIONS.filter(({ name }) => ['facility', 'socket', 'timeout', 'json'].includes(name)),
];
const REPLY_MS = 30_000;
const LOOK_MS = 500;

type Controller = Fields & { pending: number; counts: Fields; changes: readonly Fields[] };
type Plan = { pending: number; controllers: readonly Controller[]; asItCame: Fields };

export const planProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Shows what would be erased from and written to each controller, and why: erasures first, then writes, then what waits for its time. Nothing is changed by looking. --watch follows until nothing is pending; Ctrl-C ends that. Only on the gateway itself. Exit code 1 when something was refused or finds no room, or --watch ended before all was done.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
    examples: ['lintel plan --controller store-panel', 'lintel plan --watch'],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel plan --help');
    noMoreWords(given.words, 0, USAGE);
    const channel = await openLocalChannel(given.text('socket'), given.text('facility'));
    const fields = given.has('controller') ? { controller: given.text('controller') } : {};
    const look = async (): Promise<Plan> => readPlan(await channel.request('plan', fields, timeoutOf(given, REPLY_MS)));
    try {
      const zone = given.has('json') ? null : await channel.timeZone();
      if (!given.has('watch')) return show(await look(), given, terminal, zone);
      return await watch(look, given, terminal, zone);
    } finally {
      await channel.close();
    }
  },
};

async function watch(
  look: () => Promise<Plan>,
  given: Given,
  terminal: Terminal,
  zone: string | null,
): Promise<number> {
  const ended = new AbortController();
  void untilSignal().then(() => ended.abort());
  const bar = progressBar(terminal, given.has('json'));
  let plan = await look();
  show(plan, given, terminal, zone);
  let [of, told] = [plan.pending, plan.pending];
  while (plan.pending > 0 && !isOver(ended.signal)) {
    bar.show(of - plan.pending, of, words(plan));
    await pause(LOOK_MS, ended.signal);
    plan = await look();
    // New work that came meanwhile makes the whole longer, not what is done shorter.
    of += Math.max(0, plan.pending - told);
    if (plan.pending !== told) tellChange(plan, given, terminal);
    told = plan.pending;
  }
  bar.show(of - plan.pending, of, words(plan));
  bar.end();
  if (plan.pending > 0) terminal.err(`lintel: ended while ${plan.pending} were pending; the agent goes on\n`);
  else if (!given.has('json')) terminal.out('nothing is pending\n');
  return plan.pending === 0 && isGood(plan) ? DONE : FAILED;
}

/** For logs and scripts; people at a terminal have the bar. */
function tellChange(plan: Plan, given: Given, terminal: Terminal): void {
  if (given.has('json')) terminal.out(`${JSON.stringify(plan.asItCame)}\n`);
  else if (!terminal.isTty) terminal.out(`${words(plan)}\n`);
}

function words({ pending, controllers }: Plan): string {
  const away = controllers
    .filter((one) => one.pending > 0 && one['online'] !== true)
    .map((one) => cell(one['controller']));
  return `${pending} pending${away.length === 0 ? '' : `, waiting for ${away.join(', ')}`}`;
}

const isGood = ({ controllers }: Plan): boolean =>
  controllers.every(({ counts }) => counts['refused'] === undefined && counts['no_space'] === undefined);

// ---- one look -------------------------------------------------------------------------------------------------------

const WORDS: Readonly<Record<string, string>> = {
  erase: 'erase',
  schedule: 'tell',
  write: 'write',
  rewrite: 'write anew',
  check: 'read back',
  wait: 'wait',
  no_space: 'no room',
  refused: 'refused',
};
const COLOURS = { erase: 'yellow', refused: 'red', no_space: 'red', wait: 'dim' } as const;
const isColoured = (action: string): action is keyof typeof COLOURS => Object.hasOwn(COLOURS, action);

function show(plan: Plan, given: Given, terminal: Terminal, zone: string | null): number {
  if (given.has('json')) terminal.out(`${JSON.stringify(plan.asItCame)}\n`);
  else if (plan.controllers.length === 0) terminal.out('no controller of this facility holds credentials\n');
  else for (const controller of plan.controllers) terminal.out(controllerText(controller, terminal, zone));
  return isGood(plan) ? DONE : FAILED;
}

function controllerText(controller: Controller, terminal: Terminal, zone: string | null): string {
  const paint = painter(terminal);
  const { changes, counts } = controller;
  const all = Object.values(counts).reduce<number>((sum, count) => sum + (typeof count === 'number' ? count : 0), 0);
  const state =
    controller['online'] === true
      ? ''
      : `, offline${controller['problem'] === null ? '' : `: ${cell(controller['problem'])}`}`;
  const head = `${paint('bold', cell(controller['controller']))}${all === 0 ? ': as it should be' : `: ${summary(counts)}`}${state}\n`;
  const lines = changes.map((change) => {
    const action = cell(change['action']);
    const text = (memberOf(WORDS, action) ?? action).padEnd(10);
    const slot = typeof change['slot'] === 'number' ? `slot ${change['slot']}` : '';
    const at = change['at'] === null ? '' : `  ${action === 'wait' ? 'until' : 'since'} ${cell(change['at'], zone)}`;
    const why = cell(change['why']).replaceAll('_', ' ');
    if (action === 'schedule') return `  ${text} ${why}\n`;
    const whose = change['acs_credential_id'] === null ? 'somebody else’s' : cell(change['acs_credential_id']);
    return `  ${isColoured(action) ? paint(COLOURS[action], text) : text} ${slot.padEnd(10)} ${whose}  ${why}${at}\n`;
  });
  const more = all > changes.length ? `  and ${all - changes.length} more\n` : '';
  return `${head}${lines.join('')}${more}`;
}

const summary = (counts: Fields): string =>
  Object.entries(counts)
    .map(([action, count]) => `${cell(count)} to ${memberOf(WORDS, action) ?? action}`)
    .join(', ')
    .replaceAll(/(\d+) to (no room|refused)/g, '$1 $2');

function readPlan(answer: Fields): Plan {
  const { pending, controllers } = answer;
  if (typeof pending === 'number' && Array.isArray(controllers) && controllers.every(isController))
    return { pending, controllers, asItCame: answer };
  throw new OperatingError('internal', 'the agent answers what this lintel does not understand');
}

const isController = (value: unknown): value is Controller =>
  isFields(value) &&
  typeof value['pending'] === 'number' &&
  isFields(value['counts']) &&
  Array.isArray(value['changes']) &&
  value['changes'].every(isFields);
