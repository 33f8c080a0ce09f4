// What an operator does to the readers of a bus: give them their keys, find and address new ones, send files, and use
// what a reader offers beyond cards and keys. All of it goes through the daemon that owns the line. Methods reject with
// an OperatingError whose message says what to do next.

import type { DriverContext } from '../driver.ts';
import { withDeadline } from '../../src/domain/deadline.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import type { ErrorType } from '../../src/domain/errors.ts';
import type { BusTimings, OsdpBus } from './bus.ts';
import type { CardField } from './card-field.ts';
import { enterCardPin } from './card-pin.ts';
import type { CardPinOutcome, CardPinRequest } from './card-pin.ts';
import { authenticate, keepActive, readPivData } from './cards-at-reader.ts';
import type { AuthenticateRequest, PivRequest } from './cards-at-reader.ts';
import { BAUDS, command, KEY_TYPE_SCBK } from './commands.ts';
import type { WireCommand } from './commands.ts';
import { scanLine } from './discovery.ts';
import type { FoundReader, ScanProgress } from './discovery.ts';
import { transferFile } from './file-transfer.ts';
import type { FileProgress } from './file-transfer.ts';
import type { FingerMatch, FingerReading, MatchRequest, ReadRequest } from './fingers.ts';
import type { InstallOutcome } from './key-ring.ts';
import { parseKey } from './keys.ts';
import { asReply, MANUFACTURER_REPLIES, readManufacturer } from './manufacturer.ts';
import type { ManufacturerAnswer } from './manufacturer.ts';
import type { OsdpReader } from './reader.ts';
import { describeNak } from './replies.ts';
import type { DecodedReply, ExtendedId, ReplyFields } from './replies.ts';
import type { Place } from './search.ts';

export type ReaderStatus = {
  device: string;
  address: number;
  online: boolean;
  secured: boolean;
  identity: string | null;
  problem: string | null;
  /** Its extended identification: maker, product and so on, in its own words; null: it has none. */
  description: ExtendedId | null;
  /** What it follows, as it says; null: not asked yet. */
  version: string | null;
  /** As PDCAP tells it: function, compliance, number; null: not asked yet. */
  capabilities: readonly { function: number; compliance: number; number: number }[] | null;
};

/** What a reader really took over, and what to write into the facility file. */
export type AddressOutcome = { address: number; baud: number; advice: string };

export type SmartCardAnswer = { mode: number; reply: number; data: Buffer };

/** An install window is minutes, not hours: while it is open anybody on the line can be the reader. */
const LONGEST_WINDOW_MS = 30 * 60_000;
const KEY_WAIT_MS = 20_000;
const FIND_AGAIN_MS = 20_000;
/** How a request ends whose reader was not heard any more. */
const LOST: readonly ErrorType[] = ['controller_offline', 'interrupted', 'timed_out'];

export class Operator {
  readonly #line: OsdpBus;
  readonly #readers: ReadonlyMap<string, OsdpReader>;
  readonly #fields: ReadonlyMap<string, CardField>;
  readonly #timings: BusTimings;
  readonly #context: DriverContext;
  #scanning = false;

  constructor(
    line: OsdpBus,
    readers: readonly OsdpReader[],
    fields: ReadonlyMap<string, CardField>,
    timings: BusTimings,
    context: DriverContext,
  ) {
    this.#line = line;
    this.#readers = new Map(readers.map((reader) => [reader.name, reader]));
    this.#fields = fields;
    this.#timings = timings;
    this.#context = context;
  }

  status(device: string): ReaderStatus {
    const reader = this.#reader(device);
    const { online, identity, problem } = reader.status();
    return {
      device,
      address: reader.station.link.address,
      online,
      secured: reader.station.link.secured,
      identity,
      problem,
      description: reader.extendedId,
      version: reader.pdCapabilities?.version ?? null,
      capabilities: reader.pdCapabilities?.records ?? null,
    };
  }

  // ---- keys ---------------------------------------------------------------------------------------------------------

  /**
   * Opens an install window for one reader: the only time when the default key is tried. Resolves when the reader holds
   * a key of its own, or when the window has closed. The key is made here, stored sealed before it is sent, and never
   * shown.
   */
  async install(device: string, windowMs: number): Promise<InstallOutcome> {
    const reader = this.#secureReader(device);
    if (windowMs <= 0 || windowMs > LONGEST_WINDOW_MS) {
      throw new OperatingError('invalid_input', 'an install window is open for at most 30 minutes');
    }
    if (reader.online) return { outcome: 'already_installed' };
    const outcome = reader.keyRing.install(windowMs);
    reader.relink();
    return await outcome;
  }

  cancelInstall(device: string): void {
    this.#reader(device).keyRing.cancelInstall();
  }

  /** Gives an online reader a new random key, under the key it has. */
  async rotateKey(device: string): Promise<void> {
    const reader = this.#secureReader(device);
    if (!reader.online) throw offline(reader);
    const key = reader.keyRing.prepareNewKey('rotated');
    const result = await reader.ask(command('KEYSET', { keyType: KEY_TYPE_SCBK, key }));
    if (result.kind === 'nak') {
      reader.keyRing.discardPending();
      throw new OperatingError('not_supported', `${device} refused the new key: ${describeNak(result.error)}`);
    }
    await this.#proveKey(reader, {
      former: `${device} still has its former key: the new one was not taken`,
      neither: null,
    });
  }

  /**
   * Takes over the key that a reader has already, as 32 hexadecimal digits. It is kept only when the reader proves that
   * it holds it.
   */
  async importKey(device: string, text: string): Promise<void> {
    const reader = this.#secureReader(device);
    reader.keyRing.importKey(parseKey(text));
    try {
      await this.#proveKey(reader, {
        former: `${device} has the key that Lintel holds for it already: the imported one is another, and was not kept`,
        neither: `the imported key is not that of ${device}, and was not kept. Import the key that it has; where nobody knows it, reset the reader and open an install window with \`lintel osdp install ${device}\``,
      });
    } catch (error) {
      reader.keyRing.discardPending();
      throw error;
    }
  }

  /**
   * Has Lintel throw away the key of a reader, which then is as one that never had one: for a reader that is given back,
   * or that was reset and is to be installed anew. The reader itself keeps its key until it is reset at its door.
   */
  forgetKey(device: string): void {
    const reader = this.#secureReader(device);
    reader.keyRing.forget();
    reader.relink();
  }

  /** What to say when the reader proves to have its `former` key, or `neither` of the two. */
  async #proveKey(reader: OsdpReader, say: { former: string; neither: string | null }): Promise<void> {
    const attempt = reader.keyRing.nextUnlock();
    reader.relink();
    const unlocked = await withDeadline(this.#context.clock, KEY_WAIT_MS, `${reader.name} under its new key`, attempt);
    if (unlocked.key === 'pending') return;
    if (unlocked.key === 'active') throw new OperatingError('not_permitted', say.former);
    if (unlocked.disproved && say.neither !== null) throw new OperatingError('not_permitted', say.neither);
    throw new OperatingError(
      unlocked.silent ? 'controller_offline' : 'not_permitted',
      `${reader.name}: ${unlocked.problem}`,
    );
  }

  // ---- addresses ----------------------------------------------------------------------------------------------------

  /**
   * Gives a reader another address and baud (COMSET). The reader takes them at once; the facility file must follow, and
   * `advice` says how. Refused while another reader of the bus has that address.
   */
  async setAddress(device: string, address: number, baud: number): Promise<AddressOutcome> {
    const reader = this.#reader(device);
    this.#checkAddress(address, baud);
    const taken = [...this.#readers.values()].find(
      (other) => other !== reader && other.station.link.address === address,
    );
    if (taken !== undefined) throw new OperatingError('invalid_input', `address ${address} is that of ${taken.name}`);
    const busBaud = this.#line.settings.baud;
    const before = { address: reader.station.link.address, baud: busBaud };
    const confirmed = await this.#changeSettings(reader, { address, baud });
    // A bus that others share stays at its baud, and a reader that left it is out of reach until all have followed.
    if (confirmed !== null && (confirmed.baud === busBaud || this.#readers.size > 1)) {
      reader.moved([confirmed]);
      return { ...confirmed, advice: adviceFor(device, confirmed, busBaud) };
    }
    reader.moved(confirmed === null ? [{ address, baud }, before] : [confirmed, before]);
    const found = await this.#foundAgain(reader, confirmed ?? { address, baud }, before);
    return { ...found, advice: adviceFor(device, found, busBaud) };
  }

  /** What it really takes over; null: it did not say, so that it may have changed or not. */
  async #changeSettings(reader: OsdpReader, wanted: Place): Promise<Place | null> {
    if (!reader.online) throw offline(reader);
    try {
      const answer = await reader.request(command('COMSET', wanted));
      if (answer.name === 'COM') return answer.fields;
    } catch (error) {
      const isLost = error instanceof OperatingError && LOST.includes(error.type);
      if (!isLost) throw error;
      return null;
    }
    throw new OperatingError('not_supported', `${reader.name} did not confirm its new address`);
  }

  async #foundAgain(reader: OsdpReader, wanted: Place, before: Place): Promise<Place> {
    if (!(await reader.whenThere(FIND_AGAIN_MS)))
      throw new OperatingError(
        'timed_out',
        `${reader.name} has not been found again: it is looked for at address ${wanted.address} (${wanted.baud} baud) and at ${before.address} (${before.baud} baud), until it answers`,
      );
    const found = { address: reader.station.link.address, baud: this.#line.settings.baud };
    if (found.address === wanted.address && found.baud === wanted.baud) return found;
    throw new OperatingError(
      'not_supported',
      `${reader.name} did not take it: it still answers at address ${found.address}, ${found.baud} baud`,
    );
  }

  /**
   * Looks for the only reader on the line, at every baud and address. The bus is taken out of service meanwhile, and
   * `alone` says that the operator has taken every other reader off the line: what is sent to all would be answered by
   * all.
   */
  async scan(options: {
    alone: true;
    bauds?: readonly number[];
    signal?: AbortSignal;
    progress?: (progress: ScanProgress) => void;
  }): Promise<FoundReader | null> {
    return await this.#exclusively(
      async () =>
        await scanLine(this.#line.settings, this.#timings, this.#context, {
          bauds: options.bauds ?? BAUDS,
          signal: options.signal ?? null,
          progress: options.progress ?? (() => undefined),
        }),
    );
  }

  /**
   * Gives the only reader on the line, whatever it is set to, this address and baud. Finds it first; for readers that
   * no facility file knows yet.
   */
  async addressUnknown(options: {
    alone: true;
    address: number;
    baud: number;
    progress?: (progress: ScanProgress) => void;
  }): Promise<AddressOutcome | null> {
    this.#checkAddress(options.address, options.baud);
    return await this.#exclusively(async () => {
      const found = await scanLine(this.#line.settings, this.#timings, this.#context, {
        bauds: BAUDS,
        signal: null,
        progress: options.progress ?? (() => undefined),
        comset: { address: options.address, baud: options.baud },
      });
      if (found === null) return null;
      return {
        address: found.address,
        baud: found.baud,
        advice: adviceFor('the reader', found, this.#line.settings.baud),
      };
    });
  }

  #checkAddress(address: number, baud: number): void {
    if (!Number.isInteger(address) || address < 0 || address > 126) {
      throw new OperatingError('invalid_input', 'an OSDP address is a number from 0 to 126');
    }
    if (!BAUDS.some((known) => known === baud)) {
      throw new OperatingError('invalid_input', `OSDP speaks at ${BAUDS.join(', ')} baud`);
    }
  }

  /** Runs `work` with the line closed for everybody else. */
  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (this.#scanning) throw new OperatingError('not_permitted', 'a scan of this bus is running already');
    this.#scanning = true;
    await this.#line.stop('the bus is being scanned');
    try {
      return await work();
    } finally {
      this.#scanning = false;
      this.#line.start();
    }
  }

  // ---- what a reader offers beyond cards and keys -------------------------------------------------------------------

  /**
   * Sends a file (section 3.6: type 1 opaque, 2 biometric template, 3 display data, 0x80 and more the vendor's own).
   */
  async transferFile(
    device: string,
    file: { type: number; content: Buffer },
    progress: (progress: FileProgress) => void = () => undefined,
    signal: AbortSignal | null = null,
  ): Promise<void> {
    await transferFile(this.#reader(device), this.#context.clock, file, progress, signal);
  }

  /** Asks for a finger (or what `type` says, section 3.8) and gives its template; `timeoutMs` is for the person. */
  async readBiometric(device: string, request: ReadRequest, timeoutMs: number): Promise<FingerReading> {
    return await this.#reader(device).fingers.readNow(request, timeoutMs);
  }

  /** Has the reader compare a person with `template`. */
  async matchBiometric(device: string, request: MatchRequest, timeoutMs: number): Promise<FingerMatch> {
    return await this.#reader(device).fingers.matchNow(request, timeoutMs);
  }

  // ---- cards that lie at a reader -----------------------------------------------------------------------------------

  /** Keeps the card that lies at the reader in its field for so long; 0: no longer. */
  async keepActive(device: string, timeMs: number): Promise<void> {
    await keepActive(this.#reader(device), timeMs);
  }

  async readPivData(device: string, request: PivRequest, timeoutMs: number): Promise<Buffer> {
    return await readPivData(this.#reader(device), request, timeoutMs);
  }

  async authenticate(device: string, request: AuthenticateRequest, timeoutMs: number): Promise<Buffer> {
    return await authenticate(this.#reader(device), request, timeoutMs);
  }

  /** The PIN of the card that lies there is typed at the reader, and shown to nobody but the card. */
  async enterCardPin(device: string, request: CardPinRequest, signal: AbortSignal): Promise<CardPinOutcome> {
    const reader = this.#reader(device);
    const field = this.#fields.get(device);
    if (field === undefined) throw offline(reader);
    return await enterCardPin(reader, field, request, signal);
  }

  /** The reader gives up what takes long: a file, a finger, a message in parts. */
  async abort(device: string): Promise<void> {
    await this.#reader(device).request(command('ABORT', {}));
  }

  /**
   * A vendor's own command (MFG), passed through. With `waitMs` a reader that only acknowledges has this long to answer
   * with a later poll.
   */
  async manufacturer(device: string, oui: Buffer, data: Buffer, waitMs = 0): Promise<ManufacturerAnswer> {
    if (oui.length !== 3) throw new OperatingError('invalid_input', 'a vendor code (OUI) has 3 bytes');
    const wire = command('MFG', { oui, data });
    const target = this.#reader(device);
    // As many ways to answer as there are, the first one counts.
    const awaited = (over: AbortSignal) =>
      Promise.race(
        MANUFACTURER_REPLIES.map((name) => target.awaitReport(name, waitMs, (fields) => asReply(name, fields), over)),
      );
    const answer = await this.#ask(device, wire, waitMs > 0 ? awaited : null);
    return answer.name === 'ACK' ? { answer: 'ack' } : readManufacturer(device, oui, answer);
  }

  /**
   * Transparent smart card mode (section 3.7): one XWR and the XRD that answers it. With `waitMs` it may come with a
   * later poll; null: only acknowledged.
   */
  async smartCard(
    device: string,
    request: { mode: number; command: number; data: Buffer },
    waitMs = 0,
  ): Promise<SmartCardAnswer | null> {
    const read = (fields: ReplyFields['XRD']): SmartCardAnswer | null =>
      fields.mode === request.mode ? { ...fields, data: Buffer.from(fields.data) } : null;
    const awaited = (over: AbortSignal) =>
      this.#reader(device).awaitReport(
        'XRD',
        waitMs,
        (fields) => (read(fields) === null ? null : asReply('XRD', fields)),
        over,
      );
    const answer = await this.#ask(device, command('XWR', request), waitMs > 0 ? awaited : null);
    return answer.name === 'XRD' ? read(answer.fields) : null;
  }

  /**
   * Asks while a report is being waited for already, so that a quick reader is not missed. The report stands for an
   * answer that only acknowledges.
   */
  async #ask(
    device: string,
    wire: WireCommand,
    awaited: ((over: AbortSignal) => Promise<DecodedReply>) | null,
  ): Promise<DecodedReply> {
    const over = new AbortController();
    const report = awaited?.(over.signal) ?? null;
    report?.catch(() => undefined);
    try {
      const answer = await this.#reader(device).request(wire);
      return answer.name === 'ACK' && report !== null ? await report : answer;
    } finally {
      over.abort();
    }
  }

  #reader(device: string): OsdpReader {
    const reader = this.#readers.get(device);
    if (reader !== undefined) return reader;
    throw new OperatingError(
      'controller_not_found',
      `${device} is no reader of this bus; it has ${[...this.#readers.keys()].join(', ')}`,
    );
  }

  #secureReader(device: string): OsdpReader {
    const reader = this.#reader(device);
    if (reader.settings.secure) return reader;
    throw new OperatingError(
      'invalid_input',
      `${device} is set to \`secure_channel: none\`: set it to required first, a key would change nothing`,
    );
  }
}

const offline = (reader: OsdpReader): OperatingError =>
  new OperatingError('controller_offline', `${reader.name} is offline: ${reader.status().problem ?? ''}`);

function adviceFor(who: string, { address, baud }: { address: number; baud: number }, busBaud: number): string {
  const line =
    baud === busBaud
      ? ''
      : ` and \`baud: ${baud}\` for its bus, which is at ${busBaud} now: until then the reader is out of reach`;
  return `${who} is at address ${address}: write \`address: ${address}\` into the facility file${line}`;
}
