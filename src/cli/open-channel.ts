// From the options of a command line to the channel they name; the broker's client is loaded only where it is used.

import { DEFAULT_PREFIX, NAME_FORM, NAME_WORDS } from '../facility/values.ts';
import { readInput, readSecretInput, type Channel } from './channel.ts';
import type { Given } from './options.ts';
import { UsageError, type Terminal } from './terminal.ts';

/** Opens the channel that the options name. Throws when there is nobody. */
export async function openChannel(given: Given, terminal: Terminal): Promise<Channel> {
  const url = given.text('url');
  const facility = given.text('facility');
  if (facility !== null && !NAME_FORM.test(facility)) throw new UsageError(`--facility: ${NAME_WORDS}`);
  if (url === null) {
    for (const name of ['password-file', 'ca', 'cert', 'key', 'topic-prefix'])
      if (given.has(name)) throw new UsageError(`--${name} belongs to --url`);
    const { openLocalChannel } = await import('./local-channel.ts');
    return await openLocalChannel(given.text('socket'), facility);
  }
  if (given.has('socket')) throw new UsageError('either --socket or --url');
  if (facility === null) throw new UsageError('--url needs --facility NAME as well: its topics carry that name');
  const { openMqttChannel } = await import('./mqtt-channel.ts');
  const [cert, key] = [readOption(given, 'cert'), readOption(given, 'key')];
  if ((cert === null) !== (key === null)) throw new UsageError('--cert and --key belong together');
  return await openMqttChannel(
    {
      ...readUrl(url),
      password:
        readOption(given, 'password-file')
          ?.toString('utf8')
          .replace(/\r?\n$/, '') ?? readUrl(url).password,
      ca: readOption(given, 'ca'),
      cert,
      key,
      base: `${given.text('topic-prefix') ?? DEFAULT_PREFIX}/${facility}`,
      facility,
    },
    terminal,
  );
}

/** User and password of an address are for the connection, and nowhere to be repeated. */
function readUrl(text: string): { url: string; username: string | null; password: string | null } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError('--url: an address such as mqtts://user@broker.example:8883');
  }
  if (!['mqtt:', 'mqtts:', 'ws:', 'wss:'].includes(url.protocol) || url.hostname === '')
    throw new UsageError('--url: an address that begins with mqtt://, mqtts://, ws:// or wss://');
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const decode = (part: string): string | null => (part === '' ? null : decodeURIComponent(part));
  return { url: url.toString(), username: decode(username), password: decode(password) };
}

function readOption(given: Given, name: string): Buffer | null {
  const file = given.text(name);
  if (file === null) return null;
  return name === 'ca' || name === 'cert' ? readInput(file, `--${name}`) : readSecretInput(file, `--${name}`);
}
