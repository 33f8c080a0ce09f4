// `lintel demo`: a building on this machine and what happens in it, told in a few lines and checked at each. Afterwards
// it stays up, for whoever wants to try; with `--once` it ends, and says by its exit code whether everything was seen.

import { copyFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OperatingError } from '../../domain/errors.ts';
import { BROKER_USER } from '../../mqtt/broker-password.ts';
import { commandLines, optionRows, type Program } from '../help.ts';
import { noMoreWords, readOptions, type Option } from '../options.ts';
import { shellWord } from '../resource.ts';
import { untilSignal } from '../signals.ts';
import { DONE, FAILED, painter, type Terminal } from '../terminal.ts';
import { HOME } from '../version.ts';
import { build, FACILITY, type Building } from './building.ts';
import { CARD, GUEST, Interrupted, NotSeen, Story } from './story.ts';

const USAGE = 'lintel demo [--once] [--pty] [--port N]';
const OPTIONS: readonly Option[] = [
  { name: 'once', value: null, description: 'Play it through and end: exit code 0 only if every step was seen' },
  { name: 'pty', value: null, description: 'Serial lines as pseudo terminals (needs socat) instead of TCP converters' },
  { name: 'port', value: 'N', description: 'Port of the broker on 127.0.0.1, default 1883; 0: any free one' },
];
const BROKER_PORT = 1883;
const READING_MS = 500;

export const demoProgram: Program = {
  help: () => ({
    usage: [USAGE, 'npm run demo -- [OPTIONS]'],
    about:
      'Puts up a building on 127.0.0.1 (a broker, a card reader, a relay board, a controller with its own table, an OSDP reader), serves it, and shows what happens: a credential over MQTT, a card and a phone at a door, the broker gone and back. Then it stays up to be tried; Ctrl-C ends it, and nothing is left behind.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel demo --help');
    noMoreWords(given.words, 0, USAGE);
    const isOnce = given.has('once');
    const wantedPort = given.whole('port', 0, 65_535) ?? BROKER_PORT;
    const ended = new AbortController();
    void untilSignal().then(() => ended.abort());
    terminal.whenUnread(() => ended.abort());
    // Events come before there is a building to speak of; they are told once the story has begun.
    let story: Story | null = null;
    const building = await build({
      brokerPort: wantedPort,
      isPty: given.has('pty'),
      onEvent: (event) => story?.showEvent(event),
    });
    try {
      introduce(building, wantedPort, terminal);
      story = new Story(() => building, {
        terminal,
        pauseMs: isOnce || !terminal.isTty ? 0 : READING_MS,
        signal: ended.signal,
      });
      await story.play();
      if (isOnce) {
        terminal.out('\nEvery step was seen.\n');
        return DONE;
      }
      suggest(building, terminal);
      await untilAborted(ended.signal);
      return DONE;
    } catch (error) {
      return conclude(error, building, isOnce, terminal);
    } finally {
      story = null;
      await building.close();
      if (!isOnce) terminal.out('\nStopped; nothing is left behind.\n');
    }
  },
};

function introduce({ places, brokerPort, logFile }: Building, wantedPort: number, terminal: Terminal): void {
  const paint = painter(terminal);
  terminal.out(`${paint('bold', 'Lintel, in a building on this machine')}\n\n`);
  const widths = [0, 1].map((column) => Math.max(...places.map((place) => (place[column] ?? '').length)));
  for (const [name, where, what] of places)
    terminal.out(`   ${name.padEnd(widths[0] ?? 0)}  ${paint('cyan', where.padEnd(widths[1] ?? 0))}  ${what}\n`);
  terminal.out(`   ${paint('dim', `log: ${logFile}`)}\n`);
  if (wantedPort !== 0 && brokerPort !== wantedPort)
    terminal.out(`   ${paint('yellow', `port ${wantedPort} is taken, so the broker is on ${brokerPort}`)}\n`);
}

/** Each works as it stands, from any folder. */
function suggest({ socket, brokerPort, passwordFile }: Building, terminal: Terminal): void {
  const paint = painter(terminal);
  const lintel = shellWord(join(HOME, 'bin', 'lintel'));
  const commands = [
    ['show the card at the lobby', `${lintel} swipe --entrance lobby --card ${CARD} --present --socket ${socket}`],
    ['see what happens, as it happens', `${lintel} events --follow --socket ${socket}`],
    [
      'give Jane another code, over MQTT',
      `${lintel} credentials create --url mqtt://${BROKER_USER}@127.0.0.1:${brokerPort} --password-file ${passwordFile} --facility ${FACILITY} --access-method code --acs-user-id ${GUEST} --allowed-acs-entrance-ids store-room --ends-at +2h`,
    ],
  ] as const;
  terminal.out(`\n${paint('bold', 'It stays up. From another terminal:')}\n`);
  for (const [about, command] of commands)
    terminal.out(`\n   ${paint('dim', `# ${about}`)}\n${commandLines(command, 3, terminal)}\n`);
  terminal.out(`\n${paint('dim', 'Ctrl-C ends it.')}\n\n`);
}

/** What was not seen, and where to look; the log outlives the folder then. */
function conclude(error: unknown, { logFile }: Building, isOnce: boolean, terminal: Terminal): number {
  if (error instanceof Interrupted) {
    if (isOnce) terminal.err('lintel: interrupted: the rest was not seen\n');
    return isOnce ? FAILED : DONE;
  }
  if (!(error instanceof NotSeen) && !(error instanceof OperatingError)) throw error;
  const kept = join(tmpdir(), `lintel-demo-${process.pid}.log`);
  copyFileSync(logFile, kept);
  const paint = painter(terminal);
  terminal.out(`   ${paint('red', '✗')} ${error.message}\n`);
  terminal.err(`lintel: not seen: ${error.message}. The log says more: ${kept}\n`);
  return FAILED;
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
