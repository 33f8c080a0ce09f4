// A reply on the screen: for people as they need it, for machines as it came.

import type { Channel, Reply } from './channel.ts';
import { entrancesOf } from './names.ts';
import { isFields, type Fields } from '../domain/fields.ts';
import { cell, showResult, type Names } from './show.ts';
import { DONE, FAILED, painter, type Terminal } from './terminal.ts';

const NAMES_MS = 5_000;

/** Prints a reply; resolves with the exit code. */
export async function printReply(
  reply: Reply,
  { terminal, channel, json }: { terminal: Terminal; channel: Channel; json: boolean },
): Promise<number> {
  if (json) {
    terminal.out(`${JSON.stringify(reply)}\n`);
  } else if (reply.ok) {
    terminal.out(await forPeople(reply.result, terminal, channel));
  } else {
    const { type, message } = reply.error;
    terminal.err(`lintel: ${message} (${type})\n`);
  }
  return reply.ok && !hasFailure(reply.result) ? DONE : FAILED;
}

/** An apply whose operations failed was answered, but is not done. */
const hasFailure = ({ results }: Fields): boolean =>
  Array.isArray(results) && results.some((result) => isFields(result) && result['ok'] === false);

async function forPeople(result: Fields, terminal: Terminal, channel: Channel): Promise<string> {
  if (Array.isArray(result['steps'])) return explanation(result, terminal);
  const { action_attempt: attempt } = result;
  if (isFields(attempt)) return await attemptText(attempt, terminal, channel);
  if ('was_scanning' in result)
    return result['was_scanning'] === true ? 'the scan was cancelled\n' : 'no scan was under way there\n';
  const names = showsDoors(result) ? await doorNames(channel) : undefined;
  const text = showResult(result, terminal, await channel.timeZone(), names);
  const { acs_credential: credential } = result;
  const showsCode = isFields(credential) && typeof credential['code'] === 'string';
  return showsCode ? `${text}\nThe code is shown this once and never again.\n` : text;
}

const showsDoors = (result: Fields): boolean =>
  'acs_credential' in result || 'acs_credentials' in result || 'timeline' in result;

/** What the entrances are called; none where they cannot be asked: ids say enough then. */
async function doorNames(channel: Channel): Promise<Names> {
  const known = await entrancesOf(channel, NAMES_MS).catch(() => []);
  return new Map(known.map(({ id, name }) => [id, name]));
}

async function attemptText(attempt: Fields, terminal: Terminal, channel: Channel): Promise<string> {
  const { result } = attempt;
  if (!isFields(result)) return 'done\n';
  if ('was_confirmed_by_device' in result)
    return result['was_confirmed_by_device'] === true
      ? 'unlocked; the device confirms it\n'
      : 'unlocked; the device took the command\n';
  const { acs_credential_on_encoder: read, acs_credential_on_seam: known } = result;
  if (!isFields(read)) return await forPeople({ acs_credential: result }, terminal, channel);
  const whose = isFields(known)
    ? await forPeople({ acs_credential: known }, terminal, channel)
    : 'No credential here has it.\n';
  return `${readText(read)}\n${whose}`;
}

/** What was shown at an encoder: a key, or bits and all that they may stand for. */
function readText(read: Fields): string {
  if (read['kind'] === 'mobile_key')
    return `a phone, or a card with a key, that has proved it: ${cell(read['public_key'])}\n`;
  const fits = Array.isArray(read['card_formats']) ? read['card_formats'].filter(isFields) : [];
  const width = read['width_bits'] === null ? '' : `${cell(read['width_bits'])} bits: `;
  const lines = fits.map((fit) => {
    const mark = fit['is_read_at_encoder'] === true ? '' : '  (this reader is not told to read it so)';
    return `  ${cell(fit['card_format'])}:${cell(fit['card_number'])}${mark}`;
  });
  return [`a card, ${width}${cell(read['bytes'])}`, 'It may stand for', ...lines, ''].join('\n');
}

/** `entrances/explain`, a line for each step. */
export function explanation(result: Fields, terminal: Terminal): string {
  const paint = painter(terminal);
  const steps = Array.isArray(result['steps']) ? result['steps'].filter(isFields) : [];
  const width = Math.max(0, ...steps.map((step) => cell(step['step']).length));
  const lines = steps.map((step) => {
    const mark = step['passed'] === true ? paint('green', '✓') : paint('red', '✗');
    return `  ${mark} ${cell(step['step']).replaceAll('_', ' ').padEnd(width)}  ${cell(step['detail'])}`;
  });
  const isGranted = result['outcome'] === 'granted';
  const because = isGranted ? '' : `: ${cell(result['reason']).replaceAll('_', ' ')}`;
  const verdict = paint(isGranted ? 'green' : 'red', `${isGranted ? 'granted' : 'denied'}${because}`);
  return `${[...decisionText(result), ...lines, verdict, ...noteText(result)].join('\n')}\n`;
}

/** Of a decision of the past: when it was, and by whom. */
function decisionText({
  sequence,
  occurred_at: at,
  clock,
  decided_by: by,
  revision,
  revision_now: now,
}: Fields): string[] {
  if (sequence === undefined) return [];
  const since =
    typeof revision !== 'number'
      ? ''
      : revision === now
        ? ', as everything is now'
        : `, at revision ${revision} (now ${cell(now)})`;
  const doubt = clock === 'trusted' ? '' : ', by a clock that was not trusted';
  return [`event ${cell(sequence)}, ${cell(at)}${doubt}, decided by the ${cell(by)}${since}`];
}

const noteText = ({ note }: Fields): string[] => (typeof note === 'string' ? [`Note: ${note}`] : []);
