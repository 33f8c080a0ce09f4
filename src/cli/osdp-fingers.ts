// `lintel osdp template` and `match`: a finger at a biometric reader, read into a file, and compared with such a file.

import { OperatingError } from '../domain/errors.ts';
import { readInput, timeoutOf } from './channel.ts';
import { PERSON_MS, say, type Call } from './osdp-call.ts';
import { cell } from './show.ts';
import { FAILED, UsageError } from './terminal.ts';

/** What fits into one frame with everything around it. */
const MOST_TEMPLATE_BYTES = 1_380;
const THRESHOLD = 128;

export async function template({ channel, given, terminal, words }: Call): Promise<number> {
  const { writeNewFile } = await import('./new-file.ts');
  const out = given.text('out') ?? '';
  const [reader] = words;
  const fields = { action: 'template', reader, type: given.whole('type', 0, 255) ?? 0 };
  const timeoutMs = timeoutOf(given, PERSON_MS);
  const file = writeNewFile(out);
  if (!given.has('json')) terminal.err(`${cell(reader)} waits for a finger now.\n`);
  try {
    const { template: data, ...rest } = await channel.request('osdp', fields, timeoutMs);
    if (rest['status'] !== 0)
      throw new OperatingError('not_supported', `${cell(reader)} could not read it (status ${cell(rest['status'])})`);
    file.keep(Buffer.from(String(data), 'base64'));
    return say(given, terminal, { ...rest, file: out }, `template of quality ${cell(rest['quality'])} in ${out}`);
  } catch (error) {
    file.discard();
    throw error;
  }
}

/** Exit code 1 where it is somebody else’s. */
export async function match({ channel, given, terminal, words }: Call): Promise<number> {
  const [reader, path = ''] = words;
  const type = given.whole('type', 0, 255) ?? 0;
  const threshold = given.whole('threshold', 0, 255) ?? THRESHOLD;
  const timeoutMs = timeoutOf(given, PERSON_MS);
  const content = readInput(path, 'FILE');
  if (content.length === 0 || content.length > MOST_TEMPLATE_BYTES)
    throw new UsageError(`${path} has ${content.length} bytes: a template has 1 to ${MOST_TEMPLATE_BYTES}`);
  if (!given.has('json')) terminal.err(`${cell(reader)} waits for a finger now.\n`);
  const fields = { action: 'match', reader, type, threshold, template: content.toString('base64') };
  const answer = await channel.request('osdp', fields, timeoutMs);
  if (answer['status'] !== 0)
    throw new OperatingError(
      'not_supported',
      `${cell(reader)} could not compare it (status ${cell(answer['status'])})`,
    );
  const isSame = answer['is_match'] === true;
  const done = say(
    given,
    terminal,
    answer,
    `${isSame ? 'it is the same' : 'it is another'}, by ${cell(answer['score'])} of 255`,
  );
  return isSame ? done : FAILED;
}
