// `lintel ports`: what an installer writes behind `port:`, without opening anything.

import { serialPorts, type SerialPortFound } from '../doctor/serial-ports.ts';
import { optionRows, type Program } from './help.ts';
import { noMoreWords, readOptions, type Option } from './options.ts';
import { DONE, painter } from './terminal.ts';

const USAGE = 'lintel ports [--json]';
const OPTIONS: readonly Option[] = [
  { name: 'json', value: null, description: 'One JSON array of {path, device, names, kind, product, …}.' },
];

export const portsProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Lists the serial ports of this machine by the names that stay the same (for `port:` of a bus), with the adapter behind each, who holds it, and how long its chip keeps bytes back. Opens none of them.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
  }),
  run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel ports --help');
    noMoreWords(given.words, 0, USAGE);
    const ports = serialPorts();
    if (given.has('json')) {
      terminal.out(`${JSON.stringify(ports)}\n`);
      return Promise.resolve(DONE);
    }
    if (ports.length === 0)
      terminal.out(
        'This machine shows no serial port. Is the adapter plugged in? dmesg says what the kernel made of it.\n',
      );
    const bold = (text: string): string => painter(terminal)('bold', text);
    for (const port of ports) terminal.out(`${bold(port.path)}\n${details(port).join('')}`);
    return Promise.resolve(DONE);
  },
};

function details(port: SerialPortFound): string[] {
  const { device, product, serial_number: serial, driver, latency_timer_ms: latencyMs, held_by: holder } = port;
  const hardware = [
    product ?? (port.kind === 'usb' ? 'an adapter without a name' : 'on board'),
    ...(serial === null ? [] : [`serial number ${serial}`]),
    ...(driver === null ? [] : [`driver ${driver}`]),
  ];
  return [
    `  ${hardware.join(', ')}\n`,
    ...(device === port.path ? [] : [`  now ${device}\n`]),
    ...port.names.filter((name) => name !== port.path).map((name) => `  also ${name}\n`),
    ...(latencyMs === null ? [] : [`  keeps received bytes back for ${latencyMs} ms\n`]),
    ...(holder === null ? [] : [`  held by ${holder.program} (process ${holder.pid})\n`]),
  ];
}
