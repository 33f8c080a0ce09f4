// `lintel status`: one look at a running agent.

import { CHANNEL_OPTIONS, timeoutOf } from './channel.ts';
import { openChannel } from './open-channel.ts';
import { optionRows, type Program } from './help.ts';
import { noMoreWords, readOptions } from './options.ts';
import { isFields, type Fields } from '../domain/fields.ts';
import { keyValues, showResult } from './show.ts';
import { DONE, FAILED } from './terminal.ts';

const USAGE = 'lintel status [--facility NAME] [--json]';
const REPLY_MS = 5_000;

export const statusProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'How the agent is: broker, clock, storage, controllers. Exit code 1 when it serves no doors, though it answers.',
    sections: [{ title: 'Where', rows: optionRows(CHANNEL_OPTIONS) }],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, CHANNEL_OPTIONS, 'lintel status --help');
    noMoreWords(given.words, 0, USAGE);
    const channel = await openChannel(given, terminal);
    try {
      const status = await channel.status(timeoutOf(given, REPLY_MS));
      if (given.has('json')) {
        terminal.out(`${JSON.stringify(status)}\n`);
      } else {
        const { controllers, buses, broker, sync, ...rest } = status;
        const zone = typeof status['time_zone'] === 'string' ? status['time_zone'] : null;
        const plain = { ...rest, ...(isFields(broker) ? brokerLine(broker) : {}), ...(isFields(sync) ? { sync } : {}) };
        terminal.out(keyValues(Object.entries(plain), terminal, zone));
        if (Array.isArray(buses) && buses.length > 0) terminal.out(`\n${showResult({ buses }, terminal, zone)}`);
        if (Array.isArray(controllers)) terminal.out(`\n${showResult({ controllers }, terminal, zone)}`);
      }
      return status['online'] === false || typeof status['refusal'] === 'string' ? FAILED : DONE;
    } finally {
      await channel.close();
    }
  },
};

/** What is wrong with a connection is shown although it is there. */
const brokerLine = ({ connected, problem, warnings }: Fields): Fields => ({
  broker: [
    connected === true ? 'connected' : 'not connected',
    ...(typeof problem === 'string' ? [problem] : []),
    ...(Array.isArray(warnings) ? warnings.map(String) : []),
  ].join(': '),
});
