// `lintel clock [accept]`: whether the agent trusts its clock, and an operator's word that it may.

import { optionRows, type Program } from './help.ts';
import { openLocalChannel } from './local-channel.ts';
import { CHANNEL_OPTIONS, timeoutOf } from './channel.ts';
import { noMoreWords, readOptions, type Option } from './options.ts';
import { keyValues } from './show.ts';
import { DONE, FAILED, UsageError } from './terminal.ts';

const USAGE = 'lintel clock [accept] [--facility NAME | --socket PATH] [--json]';
const OPTIONS: readonly Option[] = CHANNEL_OPTIONS.filter(({ name }) =>
  ['facility', 'socket', 'timeout', 'json'].includes(name),
);
const REPLY_MS = 5_000;

export const clockProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Says whether the clock is trusted, and why not. `accept`: you have looked at the time and it is right; windows are judged by it from now on, and a leap is taken for good. Only on the gateway itself. Exit code 1 while it is not trusted.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel clock --help');
    noMoreWords(given.words, 1, USAGE);
    const [word] = given.words;
    if (word !== undefined && word !== 'accept') throw new UsageError(`"${word}" is too much here. Usage: ${USAGE}`);
    const channel = await openLocalChannel(given.text('socket'), given.text('facility'));
    try {
      const state = await channel.request('clock', { action: word ?? 'show' }, timeoutOf(given, REPLY_MS));
      if (given.has('json')) terminal.out(`${JSON.stringify(state)}\n`);
      else terminal.out(keyValues(Object.entries(state), terminal, await channel.timeZone()));
      return state['trusted'] === true ? DONE : FAILED;
    } finally {
      await channel.close();
    }
  },
};
