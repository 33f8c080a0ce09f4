// A phone at `lintel simulate osdp-reader`, by the lines that are typed there, and the driver at the other end of its line.

import { describe, expect, it, onTestFinished } from 'vitest';
import type { DriverEvent, Presentation } from '../../drivers/driver.ts';
import { osdpDriver } from '../../drivers/osdp/driver.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { perform } from '../../src/cli/simulators/console.ts';
import { playOsdpReader } from '../../src/cli/simulators/osdp-reader.ts';
import { isRefused, readToken } from '../../src/domain/issued-token.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { KEY, MemoryKeys } from '../drivers/osdp/world.ts';
import { MANAGER } from '../support/issuer.ts';
import { until } from '../support/ports.ts';
import { LOBBY, silentLog, STORE_ROOM, SYSTEM, USER } from '../support/room.ts';
import { say } from './lintel.ts';

const MOBILE_KEY = '66666666-6666-6666-6666-666666666666';
const stage = { clock: systemClock, random: systemRandom, openPort: portOpener(systemClock), say: () => undefined };

async function play(pkocMessages: '1.50' | '1.63' | null) {
  const played = await playOsdpReader(
    {
      port: 'tcp://127.0.0.1:0', baud: 115_200, parity: null, units: [1], frame: 'rdm6300', profile: null, rtu: false,
      installMode: false, isStrict: false, pkocMessages, key: KEY.toString('hex'),
    },
    stage,
  ); // prettier-ignore
  onTestFinished(() => played.stop());
  return { address: played.address?.split(',')[0] ?? '', type: (line: string) => perform(played.devices, line) };
}

/** The driver at the other end; whatever key is proved is asked for what an issuer has signed. */
async function serve(port: string, config: Record<string, unknown>): Promise<Presentation[]> {
  const bus = osdpDriver.busSchema.parse({ port, baud: 115_200 });
  const given = osdpDriver.controllerSchema.parse({ address: 1, ...config });
  const { controller } = osdpDriver.prepare('front', bus, given, '/');
  if (controller === null) throw new Error('the configuration is good');
  const readerKeys = new MemoryKeys();
  readerKeys.give('front', KEY);
  const shown: Presentation[] = [];
  const emit = (event: DriverEvent): void => {
    if (event.type === 'presented') shown.push(event.presentation);
  };
  const driver = osdpDriver.create('north', bus, [controller], {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    openPort: portOpener(systemClock),
    emit,
    readerKeys,
    wantsToken: () => true,
  });
  onTestFinished(() => driver.stop(500));
  driver.start();
  await until(() => driver.devices.get('front')?.status().online === true, 'the reader to be met');
  return shown;
}

describe.each([null, '1.50', '1.63'] as const)('a phone at a simulated reader, messages: %s', (messages) => {
  it('proves its key', async () => {
    const { address, type } = await play(messages);
    const shown = await serve(address, messages === null ? { transparent: true } : { pkoc_messages: messages });
    const key = Buffer.from(await type('phone key'), 'hex');
    await type('phone on');
    await until(() => shown.length > 0, 'the key to be proved');
    expect(shown[0]).toEqual({ kind: 'mobile_key', key });
  });
});

it('a phone carries what an issuer has signed for it there and then, and what it is given', async () => {
  const { address, type } = await play(null);
  const shown = await serve(address, { transparent: true });
  const [, keyId = '', publicKey = ''] = /^key_id: (\S+)\npublic_key: (\S+)$/.exec(await type('token issuer')) ?? [];
  const [digits = '', said] = (await type(`token ${SYSTEM} ${MOBILE_KEY} ${LOBBY},${STORE_ROOM} 12h ${USER}`)).split('\n'); // prettier-ignore
  expect(said).toBe('the phone carries it');
  await type('phone on');
  await until(() => shown.length > 0, 'the key to be proved');
  const key = Buffer.from(await type('phone key'), 'hex');
  const token = Buffer.from(digits, 'hex');
  expect(shown[0]).toEqual({ kind: 'mobile_key', key, token });
  const tower = { name: 'tower', acsSystemId: MANAGER, displayName: 'Tower', keys: [{ keyId, publicKey }], maxLifetimeMs: 86_400_000, unknownCredentials: 'take', entranceIds: null } as const; // prettier-ignore
  const terms = { managers: [tower], acsSystemId: SYSTEM, nowMs: systemClock.nowMs() + 1_000, isTrusted: true };
  const read = readToken(token, terms);
  expect(isRefused(read) ? read.message : read).toMatchObject({
    acsCredentialId: MOBILE_KEY,
    acsUserId: USER,
    key,
    entranceIds: [LOBBY, STORE_ROOM].sort(),
  });
  expect(await type('token none')).toBe('the phone carries none');
  expect(await type(`token ${digits}`)).toBe('the phone carries it');
});

it('what is typed wrong is answered with what would be right', async () => {
  const { type } = await play('1.63');
  for (const line of [
    'phone',
    'phone out',
    'token',
    'token xyz',
    'token abc',
    `token ${SYSTEM}`,
    `token ${SYSTEM} ${MOBILE_KEY} lobby 12h`,
    `token ${SYSTEM} ${MOBILE_KEY} ${LOBBY} soon`,
    `token ${SYSTEM} ${MOBILE_KEY} ${LOBBY}`,
  ])
    // prettier-ignore
    await expect(type(line), line).rejects.toThrow(/^Usage: (phone on\|off\|key|token issuer\|none\|HEX\|FACILITY)/);
  await expect(type(`token ${'84'.repeat(1_025)}`)).rejects.toThrow(/1024 bytes at most/);
  expect(await type('token 84')).toMatch(/asks no phone for it: give it to credentials\/enroll_issued_key/);
  const wrong = await say('simulate', 'osdp-reader', '--pkoc-messages', '2.0');
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    expect.stringMatching(/--pkoc-messages: one of 1.50, 1.63/) as string,
  ]);
});
