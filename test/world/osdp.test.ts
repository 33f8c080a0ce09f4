// OSDP doors end to end, on a real line and through a real broker: what people do at readers, what the readers show
// them, and what an attacker or a bad day does.

import { describe, expect, it, onTestFinished } from 'vitest';
import { COLORS } from '../../drivers/osdp/commands.ts';
import { encodeFrame } from '../../drivers/osdp/frame.ts';
import type { SimulatedReader } from '../../drivers/osdp/simulated-reader.ts';
import { SCBK_DEFAULT } from '../../drivers/osdp/secure-channel.ts';
import type { Serving } from '../../src/cli/serve.ts';
import { say } from '../cli/lintel.ts';
import {
  EVERY_DEVICE,
  FRONT,
  OFFICE,
  online,
  present,
  raiseOsdpSite,
  STOCK,
  VAULT,
  type OsdpSite,
} from '../support/osdp-site.ts';
import { until } from '../support/ports.ts';

const JANE = '33333333-3333-3333-3333-000000000001';
const JOHN = '33333333-3333-3333-3333-000000000002';
const CARD = '66666666-6666-6666-6666-000000000001';
const CODE = '66666666-6666-6666-6666-000000000002';
const OTHER_CODE = '66666666-6666-6666-6666-000000000003';
/** Jane's card and PIN, John's PIN, and what nobody has; long enough to be found by chance in no id or time. */
const [CARD_BITS, PIN, OTHER_PIN] = ['H10301:123:45678', '82475190', '91638204'];
const WRONG_PINS = ['27182818', '31415926', '14142135'];
const EVERYWHERE = [FRONT, VAULT, STOCK, OFFICE];

/** The reader is looked for and greeted so many times more; each try begins by asking who it is, or with a poll. */
async function furtherTries(reader: SimulatedReader, count: number): Promise<void> {
  const tries = (): number => reader.count('ID') + reader.count('POLL');
  const before = tries();
  // One more than is asked for: the last one may be under way.
  await until(() => tries() > before + count, `${count} tries to greet the reader`, 20_000);
}

async function enrol(site: OsdpSite): Promise<void> {
  const done = async (name: string, params: Record<string, unknown>): Promise<void> => {
    expect(await site.command(name, params)).toMatchObject({ ok: true });
  };
  await done('users/create', { acs_user_id: JANE, full_name: 'Jane Doe' });
  await done('users/create', { acs_user_id: JOHN, full_name: 'John Roe' });
  const own = { acs_user_id: JANE, allowed_acs_entrance_ids: EVERYWHERE };
  await done('credentials/create', { acs_credential_id: CARD, access_method: 'card', card_number: '45678', ...own });
  await done('credentials/create', { acs_credential_id: CODE, access_method: 'code', code: PIN, ...own });
  await done('credentials/create', {
    acs_credential_id: OTHER_CODE,
    access_method: 'code',
    code: OTHER_PIN,
    acs_user_id: JOHN,
    allowed_acs_entrance_ids: EVERYWHERE,
  });
}

async function served(): Promise<{ site: OsdpSite; serving: Serving }> {
  const site = await raiseOsdpSite();
  const serving = await site.serve();
  await online(site, serving, EVERY_DEVICE);
  await enrol(site);
  return { site, serving };
}

const relayPulses = (site: OsdpSite, output: number): number =>
  site.relays.outputChanges.filter((change) => change.output === output && change.energised).length;

/** What was told over the broker and what lies on disk holds none of these. */
function expectNoSecrets(site: OsdpSite, keys: readonly (Buffer | null)[] = []): void {
  const told = site.everythingTold();
  const isTold = (secret: string | Buffer): boolean => told.includes(secret);
  expect(isTold('front-reader')).toBe(true);
  expect([PIN, OTHER_PIN, ...WRONG_PINS].filter(isTold)).toEqual([]);
  for (const key of keys.filter((one) => one !== null)) {
    expect([key, key.toString('hex'), key.toString('hex').toUpperCase()].filter(isTold)).toEqual([]);
  }
}

describe('people at OSDP readers', () => {
  it('whose relay, on the reader’s own terminals, sticks is an alarm and no longer locked, until it follows again', async () => {
    const { site } = await served();
    const front = (): Record<string, unknown> =>
      JSON.parse(
        site.tower.heard.findLast(({ topic }) => topic.endsWith('/state/entrances/front'))?.payload ?? '{}',
      ) as Record<string, unknown>;
    site.reader('front-reader').terminals.welded.add(0);
    present(site.reader('front-reader'), CARD_BITS);
    expect(await site.event('acs_entrance.strike_stuck')).toMatchObject({ acs_entrance_id: FRONT });
    expect(await site.event('device.fault')).toMatchObject({ device: 'front-reader', code: 'output_0_stuck' });
    await until(() => front()['is_locked'] === false, 'its state');
    site.reader('front-reader').terminals.welded.clear();
    expect(await site.event('acs_entrance.restored')).toMatchObject({ acs_entrance_id: FRONT });
    await until(() => front()['is_locked'] === true, 'its state');
  });

  it('are let in by card or PIN, with the reader’s own output, and shown so', async () => {
    const { site } = await served();
    const reader = site.reader('front-reader');
    expect(reader.led()).toMatchObject({ color: COLORS.red, temporary: false });
    expect(reader.text).toBe('Hold card');

    present(reader, CARD_BITS);
    await until(() => reader.terminals.pulses.length === 1, 'the strike');
    expect(reader.terminals.pulses[0]).toMatchObject({ output: 0, durationMs: 700 });
    await until(() => reader.text === 'Welcome', 'the welcome');
    expect(reader.led()).toEqual({ color: COLORS.green, flashing: false, temporary: true });
    expect(reader.beeps.at(-1)).toMatchObject({ count: 1 });
    expect(await site.event('lock.unlocked')).toMatchObject({
      acs_entrance_id: FRONT,
      acs_credential_id: CARD,
      acs_user_id: JANE,
      method: 'card',
      card_format: 'H10301',
      card_width_bits: 26,
      reader: 'front-reader',
      decided_by: 'gateway',
    });

    reader.typeKeys(`${PIN}#`, true);
    await until(() => reader.terminals.pulses.length === 2, 'the strike by PIN');
    const byCode = await site.event('lock.unlocked', 2);
    expect(byCode).toMatchObject({ acs_credential_id: CODE, method: 'keycode', access_method: 'code' });
    expect(byCode).not.toHaveProperty('card_format');
    expect(reader.heard.filter(({ name }) => name === 'OUT').every(({ secured }) => secured)).toBe(true);
    expectNoSecrets(site, [reader.key]);
  });

  it('are shown that they are not let in, and what they typed is told to nobody', async () => {
    const { site } = await served();
    const reader = site.reader('front-reader');
    present(reader, 'H10301:124:45678');
    expect(await site.event('lock.access_denied')).toMatchObject({
      acs_entrance_id: FRONT,
      card_format: 'H10301',
      reason: { detail: 'unknown_credential' },
    });
    await until(() => reader.text === 'Sorry', 'the refusal on the display');
    expect(reader.led()).toEqual({ color: COLORS.red, flashing: true, temporary: true });
    expect(reader.beeps.at(-1)).toMatchObject({ count: 3 });
    expect(reader.terminals.pulses).toEqual([]);
    // Half a PIN, corrected with *, and then the whole one, ended by nothing but time.
    reader.typeKeys('99*');
    reader.typeKeys(PIN);
    await until(() => reader.terminals.pulses.length === 1, 'the strike after the time-out', 15_000);
    expectNoSecrets(site);
  });

  it('are locked out by wrong PINs at this reader; cards go on, and so do other readers', async () => {
    const { site } = await served();
    const reader = site.reader('front-reader');
    for (const [index, wrong] of WRONG_PINS.entries()) {
      reader.typeKeys(`${wrong}#`);
      await site.event('lock.access_denied', index + 1);
    }
    expect(await site.event('acs_entrance.locked_out')).toMatchObject({
      reader: 'front-reader',
      acs_entrance_id: FRONT,
    });
    await until(() => reader.text === 'Locked', 'the lock-out on the display');
    expect(reader.led()).toEqual({ color: COLORS.magenta, flashing: true, temporary: true });
    reader.typeKeys(`${PIN}#`);
    expect(await site.event('lock.access_denied', 4)).toMatchObject({ reason: { detail: 'locked_out' } });
    expect(reader.terminals.pulses).toEqual([]);
    present(reader, CARD_BITS);
    await until(() => reader.terminals.pulses.length === 1, 'the strike by card');
    site.reader('office-reader').typeKeys(`${PIN}#`);
    await until(() => relayPulses(site, 2) === 1, 'the office by PIN');
    expectNoSecrets(site);
  });

  it('show card and PIN of one person where both are asked for', async () => {
    const { site } = await served();
    const reader = site.reader('vault-reader');
    reader.typeKeys(`${PIN}#`);
    expect(await site.event('lock.access_denied')).toMatchObject({ reason: { detail: 'factor_not_accepted' } });

    present(reader, CARD_BITS);
    await until(() => reader.text === 'Enter PIN', 'the question on the display');
    expect(reader.led()).toEqual({ color: COLORS.amber, flashing: true, temporary: true });
    reader.typeKeys(`${OTHER_PIN}#`);
    expect(await site.event('lock.access_denied', 2)).toMatchObject({ reason: { detail: 'other_user' } });
    expect(relayPulses(site, 0)).toBe(0);

    present(reader, CARD_BITS);
    await until(() => reader.led().color === COLORS.amber, 'the question again');
    expect(relayPulses(site, 0)).toBe(0);
    reader.typeKeys(`${PIN}#`);
    await until(() => relayPulses(site, 0) === 1, 'the vault’s relay');
    expect(await site.event('lock.unlocked')).toMatchObject({
      acs_credential_id: CARD,
      second_acs_credential_id: CODE,
      acs_user_id: JANE,
      method: 'card',
      card_format: 'H10301',
    });
    await until(() => reader.led().color === COLORS.green, 'green');
    expectNoSecrets(site);
  });

  it('open by card alone, or by PIN alone, where only that is taken, by a relay elsewhere', async () => {
    const { site } = await served();
    const [stock, office] = [site.reader('stock-reader'), site.reader('office-reader')];
    present(stock, CARD_BITS);
    await until(() => relayPulses(site, 1) === 1, 'the stock’s relay');
    stock.typeKeys(`${PIN}#`);
    expect(await site.event('lock.access_denied')).toMatchObject({
      acs_entrance_id: STOCK,
      reason: { detail: 'factor_not_accepted' },
    });
    office.typeKeys(`${PIN}#`);
    await until(() => relayPulses(site, 2) === 1, 'the office’s relay');
    present(office, CARD_BITS);
    expect(await site.event('lock.access_denied', 2)).toMatchObject({
      acs_entrance_id: OFFICE,
      reason: { detail: 'factor_not_accepted' },
    });
    expect([relayPulses(site, 1), relayPulses(site, 2)]).toEqual([1, 1]);
  });

  it('leave by the button on the reader’s terminals, which also tell of the door', async () => {
    const { site } = await served();
    const reader = site.reader('front-reader');
    reader.setInput(1, 1);
    await until(() => reader.terminals.pulses.length === 1, 'REX drives the strike');
    reader.setInput(0, 1);
    expect(await site.event('acs_entrance.opened')).toMatchObject({ acs_entrance_id: FRONT });
    reader.setInput(0, 0);
    await site.event('acs_entrance.closed');
    expect(site.heard('acs_entrance.forced')).toEqual([]);
  });

  it('are not expected where nobody was let in or out: a door opened then is forced', async () => {
    const { site } = await served();
    const reader = site.reader('front-reader');
    reader.setInput(0, 1);
    expect(await site.event('acs_entrance.forced')).toMatchObject({ acs_entrance_id: FRONT });
    expect(reader.terminals.pulses).toEqual([]);
    reader.setInput(0, 0);
    await site.event('acs_entrance.restored');
  });
});

describe('keys of OSDP readers', () => {
  const FACTORY = { 'front-reader': { key: null, installMode: true } } as const;

  it('are given only in an install window that was opened, and outlive a restart', async () => {
    const site = await raiseOsdpSite(FACTORY);
    const reader = site.reader('front-reader');
    const first = await site.serve();
    await online(site, first, ['vault-reader']);
    await furtherTries(reader, 3);
    expect(first.agent.device('front-reader')?.status()).toMatchObject({ online: false });
    expect(first.agent.device('front-reader')?.status().problem).toContain('lintel osdp install front-reader');
    expect([reader.count('SCRYPT'), reader.count('KEYSET'), reader.key]).toEqual([0, 0, null]);

    const installed = await say('osdp', 'install', 'front-reader', '--minutes', '1', '--socket', site.socket);
    expect(installed).toMatchObject({ code: 0, stdout: 'front-reader has a key of its own now\n' });
    await online(site, first, ['front-reader']);
    const key = reader.key;
    expect(key).toHaveLength(16);
    expect(key?.equals(SCBK_DEFAULT)).toBe(false);
    expect(await site.event('device.install_window_opened')).toMatchObject({ device: 'front-reader' });
    expect(await site.event('device.key_installed')).toMatchObject({ device: 'front-reader', how: 'installed' });

    await first.stop();
    const second = await site.serve();
    await online(site, second, ['front-reader']);
    expect(reader.key).toEqual(key);
    expect(reader.count('KEYSET')).toBe(1);
    await enrol(site);
    present(reader, CARD_BITS);
    await until(() => reader.terminals.pulses.length === 1, 'the strike after the restart');
    expectNoSecrets(site, [key, site.reader('vault-reader').key]);
  });

  it('are not given once the window has closed with the operator who opened it', async () => {
    const site = await raiseOsdpSite({ 'front-reader': { key: null, installMode: false } });
    const reader = site.reader('front-reader');
    const serving = await site.serve();
    await online(site, serving, ['vault-reader']);
    const asked = await say('osdp', 'install', 'front-reader', '--timeout', '1s', '--socket', site.socket);
    expect(asked.code).toBe(1);
    reader.installMode = true;
    await furtherTries(reader, 2);
    expect([reader.count('KEYSET'), reader.key]).toEqual([0, null]);
    expect(serving.agent.device('front-reader')?.status().online).toBe(false);
  });

  it('are dead when their window has closed in vain, over a restart too: whoever listened and answers with one gets in nowhere', async () => {
    const quirks = { forgetsNewKey: true };
    const site = await raiseOsdpSite({ 'front-reader': { key: null, installMode: true, quirks } });
    const reader = site.reader('front-reader');
    const first = await site.serve();
    await online(site, first, ['vault-reader']);
    const asked = await say('osdp', 'install', 'front-reader', '--timeout', '3s', '--socket', site.socket);
    expect(asked.code).toBe(1);
    expect(reader.offeredKey).toHaveLength(16);
    reader.key = reader.offeredKey;
    reader.installMode = false;
    const refused = async (): Promise<void> => {
      const asks = reader.count('ID');
      await until(() => reader.count('ID') >= asks + 3, 'it to be called', 30_000);
      expect(reader.secured).toBe(false);
    };
    await refused();
    await first.stop();
    const second = await site.serve();
    await online(site, second, ['vault-reader']);
    await refused();
    expect(second.agent.store?.readerKeys.load('front-reader')).toMatchObject({ active: null, pending: null });
    expect(second.agent.device('front-reader')?.status()).toMatchObject({ online: false });
    expectNoSecrets(site, [reader.offeredKey]);
  }, 60_000);

  it('are asked for: a reader that speaks in the clear in place of a keyed one opens nothing', async () => {
    const { site, serving } = await served();
    const reader = site.reader('front-reader');
    reader.key = null;
    reader.installMode = true;
    reader.quirks.enforcesSecurity = false;
    reader.powerCycle();
    expect(await site.event('device.disconnected')).toMatchObject({ device: 'front-reader' });
    present(reader, CARD_BITS);
    await furtherTries(reader, 3);
    expect(reader.terminals.pulses).toEqual([]);
    expect([reader.count('KEYSET'), reader.key]).toEqual([0, null]);
    expect(site.heard('lock.unlocked')).toEqual([]);
    expect(serving.agent.device('front-reader')?.status()).toMatchObject({ online: false });
  });
});

describe('bad days of an OSDP line', () => {
  it('end with every reader back: the cable pulled and plugged again', async () => {
    const { site, serving } = await served();
    await site.pty.cut();
    await until(
      () => serving.agent.controllers().every((one) => one.name === 'relay-board' || !one.status.online),
      'every reader is missed',
      15_000,
    );
    await site.event('device.disconnected', 4);
    await site.pty.replug();
    await online(site, serving, EVERY_DEVICE);
    const reader = site.reader('front-reader');
    expect(reader.led()).toMatchObject({ color: COLORS.red, temporary: false });
    present(reader, CARD_BITS);
    await until(() => reader.terminals.pulses.length === 1, 'the strike');
    await site.event('device.connected', 8);
  });

  it('are told over the broker: a cut wire at an input, and a line on which somebody else speaks', async () => {
    const { site, serving } = await served();
    const reader = site.reader('front-reader');
    reader.setInput(0, 3);
    expect(await site.event('device.fault')).toMatchObject({
      device: 'front-reader',
      code: 'input_0',
      message: 'input 0: its wires are cut',
      cleared: false,
    });
    reader.setInput(0, 0);
    expect(await site.event('device.fault', 2)).toMatchObject({ code: 'input_0', cleared: true });
    expect(serving.agent.status()['buses']).toContainEqual(
      expect.objectContaining({ bus: 'north', state: 'good', problem: null }),
    );
    const stranger = {
      address: 70,
      reply: false,
      sequence: 1,
      crc: true,
      block: null,
      code: 0x60,
      data: Buffer.alloc(0),
    };
    const speaking = setInterval(() => site.line.say(encodeFrame(stranger, undefined, 1)), 20);
    onTestFinished(() => clearInterval(speaking));
    expect(await site.event('bus.disturbed')).toMatchObject({
      bus: 'north',
      message: expect.stringContaining('with address 70'),
    });
    await until(
      () =>
        site.tower.heard.some(
          ({ topic, payload }) => topic.endsWith('/state/buses/north') && payload.includes('"disturbed"'),
        ),
      'the state of the line',
    );
    clearInterval(speaking);
    expect(await site.event('bus.recovered')).toMatchObject({ bus: 'north' });
  });

  it('are told over the broker: an opened housing, a lost supply, a card in the clear, another device', async () => {
    const { site, serving } = await served();
    const reader = site.reader('front-reader');
    reader.setTamper(true);
    expect(await site.event('device.tampered')).toMatchObject({ device: 'front-reader', active: true });
    reader.setTamper(false);
    expect(await site.event('device.tampered', 2)).toMatchObject({ device: 'front-reader', active: false });
    reader.setPowerFailed(true);
    expect(await site.event('device.power')).toMatchObject({ device: 'front-reader', failed: true });

    reader.oneShots.push('clear_card');
    expect(await site.event('device.clear_text_card')).toMatchObject({ device: 'front-reader' });
    expect(await site.event('device.secure_channel_lost')).toMatchObject({ device: 'front-reader' });
    expect(reader.terminals.pulses).toEqual([]);
    await online(site, serving, ['front-reader']);

    reader.id = { ...reader.id, serial: 0x01020304 };
    reader.powerCycle();
    const changed = await site.event('device.identity_changed');
    expect(changed).toMatchObject({ device: 'front-reader' });
    expect(changed['expected']).not.toEqual(changed['found']);
    expectNoSecrets(site, [reader.key]);
  });
});
