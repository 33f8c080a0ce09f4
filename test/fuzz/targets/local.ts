// What comes from the gateway itself and from the broker: lines of the control socket, lines that people type at a
// simulated device, the packets of MQTT, what another client says of itself.

import { isDeepStrictEqual } from 'node:util';
import { LineReader, readAnswer, readRequest } from '../../../src/ops/control-protocol.ts';
import { perform, present, summary } from '../../../src/cli/simulators/console.ts';
import { playModbusDevice } from '../../../src/cli/simulators/modbus-device.ts';
import { playOsdpReader } from '../../../src/cli/simulators/osdp-reader.ts';
import type { PlayedDevice, PlayOptions, Stage } from '../../../src/cli/simulators/played.ts';
import { playSoyal } from '../../../src/cli/simulators/soyal.ts';
import { playUartReader } from '../../../src/cli/simulators/uart-reader.ts';
import { OperatingError } from '../../../src/domain/errors.ts';
import { frameWatch } from '../../../src/mqtt/frame-watch.ts';
import { PacketGuard } from '../../../src/mqtt/packet-guard.ts';
import { strangerIn } from '../../../src/mqtt/rivals.ts';
import { matchesFilter, Topics } from '../../../src/mqtt/topics.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ScriptedPort } from '../../support/scripted-port.ts';
import { Chance } from '../../world/seeded/chance.ts';
import { must, pieces, type Target } from '../target.ts';

// ---- the control socket ---------------------------------------------------------------------------------------------

const MOST_LINE = 512;

function playLines(bytes: Buffer): string {
  const [whole, inPieces] = [new LineReader(MOST_LINE), new LineReader(MOST_LINE)];
  const all = whole.push(bytes);
  const cut = Array.from(pieces(bytes), (piece) => inPieces.push(Buffer.from(piece)));
  const lines = cut.every((some) => some !== null) ? cut.flat() : null;
  must(isDeepStrictEqual(lines, all), 'it depends on how the bytes are cut');
  if (all === null) return 'too long';
  must(whole.isInLine === inPieces.isInLine, 'what waits depends on how the bytes are cut');
  let way = 'no line';
  for (const line of all) {
    const request = readRequest(line);
    way = request.id === null ? 'no request' : 'request';
    if (request.id === null) must(typeof request.problem === 'string' && request.problem.length < 400, 'what is wrong has no bounds'); // prettier-ignore
    const answer = readAnswer(line);
    if (answer !== null) way = 'item' in answer ? 'item' : 'reply';
  }
  return way;
}

const LINES = [
  '{"id":1,"kind":"status"}\n{"id":"a","kind":"cancel"}\n',
  '{"id":2,"kind":"command","resource":"users","verb":"create","envelope":{"command_id":"c","params":{}}}\n',
  '{"id":1,"ok":true,"result":{"a":[1,2,{"b":null}]}}\n{"id":1,"item":{"sequence":5}}\n',
  '{"id":null,"ok":false,"error":{"type":"invalid_input","message":"no"}}\n',
];

// ---- MQTT -----------------------------------------------------------------------------------------------------------

const MOST_PACKET = 1_000;

function playPackets(bytes: Buffer): string {
  const [watch, inPieces] = [frameWatch(MOST_PACKET), frameWatch(MOST_PACKET)];
  const isLarge = watch(bytes);
  let isLargeInPieces = false;
  for (const piece of pieces(bytes)) isLargeInPieces ||= inPieces(piece);
  must(isLarge === isLargeInPieces, 'it depends on how the bytes are cut');
  const passed = passedBy(new PacketGuard(MOST_PACKET), bytes);
  must(passed === null || (!isLarge && passed === bytes.length), 'a packet goes through that is too large, or bytes are lost'); // prettier-ignore
  const topic = bytes.toString();
  const command = new Topics('lintel/v1', 'riverside').parseCommand(topic);
  const rest = topic.slice('lintel/v1/riverside/command/'.length);
  must(command === null || `${command.resource}/${command.verb}` === (rest.includes('/') ? rest : `${rest}/`), 'a topic is another command'); // prettier-ignore
  matchesFilter(topic, 'lintel/+/reply/#');
  strangerIn(topic, { started_at: null, host: null });
  return isLarge ? 'too large' : passed === null ? 'no length' : 'through';
}

/** How many bytes; null: it has ended the connection. */
function passedBy(guard: PacketGuard, bytes: Buffer): number | null {
  let passed = 0;
  for (const piece of pieces(bytes)) {
    const errors: unknown[] = [];
    guard._transform(piece, 'latin1', (error) => errors.push(error));
    if (errors.some((error) => error instanceof Error)) return null;
    passed += piece.length;
  }
  return passed;
}

// ---- simulated devices ----------------------------------------------------------------------------------------------

const OPTIONS: PlayOptions = {
  port: '/dev/nothing', baud: null, parity: null, units: [1], frame: 'rdm6300', profile: null, rtu: false,
  installMode: false, isStrict: false, pkocMessages: null, key: null,
}; // prettier-ignore
const stage = (): Stage => ({
  clock: new ManualClock(),
  random: new Chance(1).random(),
  openPort: new ScriptedPort().open,
  say: () => undefined,
});
const played = await Promise.all([
  playOsdpReader(OPTIONS, stage()),
  playOsdpReader({ ...OPTIONS, units: [1, 2, 3], pkocMessages: '1.50' }, stage()),
  playSoyal({ ...OPTIONS, units: [1, 2] }, stage()),
  playUartReader(OPTIONS, stage()),
  playModbusDevice({ ...OPTIONS, profile: 'plc-door-2' }, stage()),
  playModbusDevice({ ...OPTIONS, profile: 'waveshare-io-8ch' }, stage()),
]);
const DEVICES: readonly (readonly PlayedDevice[])[] = played.map(({ devices }) => devices);

/** Lines, as they are typed one after the other, at each of the devices. */
async function playTyped(bytes: Buffer): Promise<string> {
  let way = 'refused';
  for (const line of bytes.toString().split('\n').slice(0, 6))
    for (const devices of DEVICES) {
      const said = await perform(devices, line).catch(refusedBy);
      if (said !== null) way = 'done';
      must((said ?? '').length < 8_192, 'it says no end of it');
      await present(devices, { card: line, unit: 1 }).catch(refusedBy);
    }
  return way;
}

function refusedBy(error: unknown): null {
  if (error instanceof OperatingError) return null;
  throw error;
}

const USAGES = DEVICES.flatMap((devices) =>
  Object.values(devices[0]?.actions ?? {}).map(({ usage }) => usage.replace(/ \[.*/, '').replaceAll(/\|.*$/g, '')),
);

export const LOCAL: readonly Target[] = [
  {
    name: 'control-socket',
    about: 'lines of the control socket, in both directions',
    seeds: LINES.map((line) => Buffer.from(line)),
    words: ['\n', '{', '}', '"id":', '"kind":', '__proto__', '\\ud800', '1e999', 'null', '[['],
    play: playLines,
  },
  {
    name: 'mqtt-packets',
    about: 'MQTT: lengths, topics, and what another client says of itself',
    seeds: [
      Buffer.from([0x20, 0x03, 0, 0, 0, 0x40, 0x02, 0, 1, 0xd0, 0]),
      Buffer.from([0x30, 0x85, 0x07, ...Buffer.alloc(901, 0x61), 0xd0, 0]),
      Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]),
      Buffer.from('lintel/v1/riverside/command/users/create'),
      Buffer.from('{"online":true,"version":"0.1.0","host":"a","started_at":"b"}'),
    ],
    words: ['lintel/v1/riverside/command/', '/', '+', '#', '"online":true'],
    play: playPackets,
  },
  {
    name: 'simulated-devices',
    about: 'lines that are typed at simulated devices',
    seeds: [...new Set(USAGES)].map((usage) => Buffer.from(usage)).concat(Buffer.from('1-3 power off\n2 power on\nhelp')), // prettier-ignore
    words: ['1 ', '1-2 ', 'on', 'off', ' ', '\n', '0', '-1', 'uid:', 'raw:', 'FASC-N:', '__proto__', '9'.repeat(30), summary(DEVICES[0] ?? []).slice(0, 40)], // prettier-ignore
    mostBytes: 300,
    play: playTyped,
    inputsInSuite: 400,
  },
];
