// The life of one reader: looked for, greeted under its key, set up, listened to, lost, looked for again. The story is
// one loop; everything that can go wrong in it ends in `#find` again, never in a stuck reader. Whoever asks something
// of the reader does it through `request` and `station`, and learns when it fails.

import type {
  BiometricTerms,
  Capabilities,
  Clock,
  Device,
  DeviceStatus,
  DriverContext,
  DriverEvent,
  Log,
  Random,
  ReaderKeys,
  Timer,
} from '../driver.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import type { OutputStand } from '../../src/domain/output-watch.ts';
import { DeviceLife } from '../kit/device-life.ts';
import { ChannelHealth } from './channel-health.ts';
import { command, type WireCommand } from './commands.ts';
import { Fingers, NO_BIOMETRICS } from './fingers.ts';
import { ACTIVE, KeyRing } from './key-ring.ts';
import type { Unlocked } from './key-ring.ts';
import type { JobResult } from './jobs.ts';
import { refuseTooLong } from './limits.ts';
import { MultipartAssembler, type Fragment } from './multipart.ts';
import { Outputs, stuckMessage } from './outputs.ts';
import { fewerTerminals } from './pdcap.ts';
import type { PdCapabilities } from './pdcap.ts';
import { describeLoss, refusal } from './refusals.ts';
import { decodeExtendedId, decodeReply, describePdId, describeUnit, NAK, REPLIES, replyLabel } from './replies.ts';
import type { DecodedReply, ExtendedId, PdId, ReplyFields, ReplyName } from './replies.ts';
import { Reports } from './reports.ts';
import type { ReportSettings } from './reports.ts';
import { Search } from './search.ts';
import type { Place } from './search.ts';
import { SetUp } from './set-up.ts';
import { ShownFeedback } from './shown-feedback.ts';
import type { FeedbackSettings } from './shown-feedback.ts';
import { OFFLINE_AFTER_MS, Station } from './station.ts';
import type { Loss, Report } from './station-terms.ts';
import { Waiters } from './waiters.ts';

export type ReaderSettings = ReportSettings &
  FeedbackSettings & {
    address: number;
    /** True: nothing but a secured reader is listened to. False: everything goes in the clear. */
    secure: boolean;
    checkCharacters: 'auto' | 'crc' | 'checksum';
    /** It says 0 in RMAC_I where others say 1. */
    takesStatus0: boolean;
    outputs: number;
    /** Null: nobody is asked for a finger there. */
    biometrics: BiometricTerms | null;
  };

export type ReaderContext = {
  clock: Clock;
  random: Random;
  log: Log;
  keys: ReaderKeys | null;
  isLeftAsFound?: DriverContext['isLeftAsFound'];
  emit: (event: DriverEvent) => void;
  /** Sets the line to another baud; does nothing on a line that others share. */
  tune: (baud: number) => Promise<void>;
};

/** A reader that answers and cannot be used is tried again after this, then twice as long, up to the longest. */
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 15_000;
/** While an operator waits at the reader nothing is slow. */
const RETRY_INSTALL_MS = 1_000;
/**
 * A link that lasted less than this has failed; a reader that drops this many in a row at once must not keep the bus
 * busy.
 */
const SETTLED_MS = 250;
const UNSETTLED_LINKS = 3;
/**
 * A reader that was taken for good and then would not go on has to hold for so long before the pauses between two tries
 * are short again.
 */
const TRUSTED_MS = 60_000;

const WANTS_CHANNEL = 'it insists on Secure Channel: set `secure_channel: required` and install a key';

const LONGEST_ID_BYTES = 4 * 1024;
const LOOK_AGAIN_MS = 50;
const NO_ANSWER = 'it does not answer: check power, wiring (A and B), address and baud';

const POLL = command('POLL', {});

/** Reports of somebody who stands at the door now, or does not any more. */
const OF_THE_MOMENT: readonly ReplyName[] = ['RAW', 'FMT', 'KEYPAD', 'BIOREADR', 'BIOMATCHR'];

export class OsdpReader implements Device {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly slots = null;
  readonly clock = null;
  readonly events = null;
  readonly outputs: Outputs | null;
  readonly readers: ShownFeedback;
  readonly fingers: Fingers;
  readonly biometrics: Fingers | null;
  readonly station: Station;
  readonly keyRing: KeyRing;
  readonly settings: ReaderSettings;
  readonly #context: ReaderContext;
  readonly #log: Log;
  readonly #reports: Reports;
  readonly #search: Search;
  readonly #setUp: SetUp;
  readonly #health: ChannelHealth;
  readonly #waiters: Waiters;
  readonly #life: DeviceLife;
  #stopped = true;
  /** Since when it has not been served; null: it is, or is only looked for now. */
  #lookedForSinceMs: number | null = null;
  #id: PdId | null = null;
  #pd: PdCapabilities | null = null;
  #extendedId: ExtendedId | null = null;
  readonly #extendedParts = new MultipartAssembler(LONGEST_ID_BYTES);
  #lost: ((loss: Loss) => void) | null = null;
  #rest: { timer: Timer; end: () => void } | null = null;
  #failures = 0;
  #unsettled = 0;
  #hasReturnedToCrc = false;

  constructor(name: string, settings: ReaderSettings, capabilities: Capabilities, context: ReaderContext) {
    this.name = name;
    this.settings = settings;
    this.capabilities = capabilities;
    this.#context = context;
    this.#log = context.log.child({ device: name });
    this.#life = new DeviceLife(name, context.clock, context.emit);
    this.station = new Station(name, settings.address, context.clock, {
      report: (report) => this.#report(report),
      clearText: (code) => this.#clearText(code),
      refused: (error) => this.#refused(error),
      nothingNew: (atMs) => {
        this.#reports.inputs.nothingNew(atMs);
        this.outputs?.idle(atMs);
        this.fingers.nothingNew();
      },
      returned: () => {
        this.#reports.inputs.gap(false);
        void this.#setUp.run();
      },
      lost: (loss) => this.#lose(loss),
    });
    this.station.link.crc = settings.checkCharacters !== 'checksum';
    this.outputs =
      settings.outputs === 0
        ? null
        : new Outputs(this.station, context.clock, settings.outputs, {
            isOnline: () => this.online,
            isLeftAsFound: (output) => context.isLeftAsFound?.(name, output) === true,
            stands: (output, stand, energised, atMs) => this.#outputStands(output, stand, energised, atMs),
          });
    this.readers = new ShownFeedback(this.station, settings, this.#log, () => this.online);
    this.fingers = new Fingers(this, settings.biometrics, context.clock, this.#log);
    this.biometrics = settings.biometrics === null ? null : this.fingers;
    this.keyRing = new KeyRing(name, this.station, context, settings);
    this.#search = new Search(this.station, settings, this.keyRing, {
      missing: () => this.#missing(NO_ANSWER),
      firstWord: (code, data) => this.#firstWord(code, data),
      tune: context.tune,
    });
    this.#reports = new Reports(name, settings, context.clock, this.#log, context.emit);
    this.#setUp = new SetUp(this.station, context.clock, {
      outputs: this.outputs,
      feedback: this.readers,
      reports: this.#reports,
      hasInputs: settings.inputs > 0,
      identify: (id, proven) => this.#identify(id, proven),
      learn: (pd) => this.#learn(pd),
      extended: (part) => this.#extend(part),
    });
    this.#health = new ChannelHealth(name, context.clock, context.emit);
    this.#waiters = new Waiters(name, context.clock);
  }

  // ---- what others see ----------------------------------------------------------------------------------------------

  get online(): boolean {
    return this.#life.online;
  }

  /** What the reader says it can do; null until it was asked. */
  get pdCapabilities(): PdCapabilities | null {
    return this.#pd;
  }

  /** What it says of itself in words; null: it has no such identification, or was not asked yet. */
  get extendedId(): ExtendedId | null {
    return this.#extendedId;
  }

  status(): DeviceStatus {
    return {
      ...this.#life.status(),
      identity: this.#id === null ? null : describePdId(this.#id),
      counters: this.station.counters,
    };
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    void this.#live();
  }

  /** Ends the life; outputs are the driver's to put to rest before. */
  stop(): void {
    this.#stopped = true;
    this.#life.stop();
    this.#rest?.end();
    this.keyRing.stop();
    this.station.reset();
    this.#lose({ why: 'line', reason: 'stopped' });
  }

  /** A command and its answer. Throws `OperatingError` when the reader is offline, falls silent or refuses. */
  async request(wire: WireCommand): Promise<DecodedReply> {
    const result = await this.ask(wire);
    if (result.kind === 'reply') {
      const reply = decodeReply(result.code, result.data);
      if (typeof reply !== 'string') return reply;
      throw new OperatingError('internal', `${this.name}: its answer to ${wire.name} cannot be understood`);
    }
    throw refusal(this.name, wire, result);
  }

  /** As `request`, with what became of it as a value. */
  async ask(wire: WireCommand): Promise<JobResult> {
    if (!this.online)
      throw new OperatingError('controller_offline', `${this.name} is offline: ${this.#life.problem ?? ''}`);
    refuseTooLong(this.name, wire, this.#pd, this.settings.secure);
    return await this.station.submit('request', wire);
  }

  /**
   * Waits for a report that comes with a later poll; `pick` takes it or leaves it with null. Rejects with `timed_out`.
   * Begin to wait before you ask, and abort `over` where the question fails.
   */
  async awaitReport<Name extends ReplyName, T>(
    name: Name,
    timeoutMs: number,
    pick: (fields: ReplyFields[Name]) => T | null,
    over: AbortSignal | null = null,
  ): Promise<T> {
    return await this.#waiters.wait(name, timeoutMs, pick, over);
  }

  /** Ends the link and begins anew at once, e.g. under another key or address. */
  relink(): void {
    this.#failures = 0;
    this.#rest?.end();
    if (!this.online) return;
    this.station.reset();
    this.#lose({ why: 'restart', reason: 'abandoned' }, true);
  }

  /** Waits until it is served where it was told to go; false: not within this. */
  async whenThere(timeoutMs: number): Promise<boolean> {
    const { clock } = this.#context;
    const untilMs = clock.monotonicMs() + timeoutMs;
    const isThere = (): boolean => this.online && !this.#search.isMoving;
    while (!isThere() && clock.monotonicMs() < untilMs)
      await new Promise<void>((resolve) => void clock.after(LOOK_AGAIN_MS, resolve));
    return isThere();
  }

  /** Its address or baud was changed, or perhaps not: it is looked for at these places, and begins anew where it is. */
  moved(places: readonly Place[]): void {
    this.#search.at(places);
    this.relink();
  }

  // ---- the life -----------------------------------------------------------------------------------------------------

  async #live(): Promise<void> {
    let found = false;
    while (!this.#stopped) {
      const met = found ? 'answered' : await this.#search.find(() => this.#stopped);
      if (met === null) break;
      found = false;
      if (met === 'secured') this.#judge(ACTIVE);
      if (met !== 'secured' && !(await this.#connect())) {
        this.#missing(this.#life.problem ?? 'it cannot be used');
        await this.#pause();
        continue;
      }
      const beganMs = this.#context.clock.monotonicMs();
      const loss = await this.#serve();
      const lastedMs = this.#context.clock.monotonicMs() - beganMs;
      const unsettled = lastedMs < SETTLED_MS ? ++this.#unsettled : 0;
      this.#unsettled = unsettled;
      if (lastedMs >= (loss.why === 'refused' ? TRUSTED_MS : SETTLED_MS)) this.#failures = 0;
      // A session that fell is mended at once and on the quiet; a reader that fell silent is looked for.
      found = loss.why === 'restart' && unsettled <= UNSETTLED_LINKS && !this.#search.isMoving;
      if (found) continue;
      this.#setOffline(describeLoss(loss));
      if (loss.why === 'restart' || loss.why === 'refused') await this.#pause();
    }
  }

  /** Not served for now. One that was served is gone; one that never was is certain to be missing after some time. */
  #missing(problem: string): void {
    const nowMs = this.#context.clock.monotonicMs();
    this.#lookedForSinceMs ??= nowMs;
    if (this.online || nowMs - this.#lookedForSinceMs >= OFFLINE_AFTER_MS) this.#setOffline(problem);
    else this.#life.troubled(problem);
  }

  #firstWord(code: number, data: Buffer): void {
    if (code === REPLIES.PDID.code) this.#identify(REPLIES.PDID.decode(data), false);
    // It was asked in the clear: that it answers so is no sign of anybody in its place.
    else if (this.settings.secure)
      this.#log.debug('what it says before it is greeted does not count', { reply: replyLabel(code) });
    else if (code !== REPLIES.ACK.code)
      this.#report({ code, data, secured: false, old: true, atMonotonicMs: this.#context.clock.monotonicMs() });
  }

  async #connect(): Promise<boolean> {
    return this.settings.secure ? this.#judge(await this.keyRing.unlock()) : await this.#enterInClear();
  }

  /**
   * Whether it works in the clear shows at the first poll: a reader that insists on its key says all the same who it
   * is.
   */
  async #enterInClear(): Promise<boolean> {
    const result = await this.station.submit('connect', POLL);
    if (result.kind === 'reply') {
      this.#firstWord(result.code, result.data);
      this.#setWantsChannel(false);
      return true;
    }
    const wants = result.kind === 'nak' && result.error === NAK.encryptionRequired;
    if (wants) this.#setWantsChannel(true);
    if (result.kind === 'nak' && !wants) return true;
    this.#life.troubled(wants ? WANTS_CHANNEL : 'it fell silent when it was greeted');
    return false;
  }

  #setWantsChannel(wants: boolean): void {
    this.#life.fault('secure_channel_wanted', wants ? WANTS_CHANNEL : null, 'it works in the clear');
  }

  #judge(outcome: Unlocked): boolean {
    if (outcome.problem !== null) {
      this.#life.troubled(outcome.problem);
      this.#log.debug('no secure channel', { reason: outcome.problem });
    }
    if (!outcome.silent) this.#life.fault('secure_channel_refused', outcome.problem, 'Secure Channel is established');
    this.#health.met(outcome.stranger, outcome.problem === null);
    return outcome.problem === null;
  }

  /** Online until the link is lost. */
  async #serve(): Promise<Loss> {
    const lost = new Promise<Loss>((resolve) => (this.#lost = resolve));
    this.readers.begin();
    this.station.open();
    this.#life.found();
    this.#lookedForSinceMs = null;
    void this.#setUp.run();
    const loss = await lost;
    this.#lost = null;
    return loss;
  }

  #lose(loss: Loss, meant = false): void {
    this.fingers.lost(describeLoss(loss));
    if (loss.why === 'restart') this.#reports.inputs.gap(false);
    if (loss.why === 'restart' && !meant) {
      this.#log.debug('link restarted', { reason: loss.reason });
      if (this.settings.secure) this.#health.lost(loss.reason);
    }
    if (this.#lost !== null) this.#lost(loss);
    // Nobody looks for it while its line is down.
    else if (loss.why === 'line') this.#setOffline(loss.reason);
  }

  async #pause(): Promise<void> {
    const growing = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures++, 10));
    const pauseMs = this.keyRing.installing
      ? RETRY_INSTALL_MS
      : growing * (0.75 + 0.5 * this.#context.random.fraction());
    await new Promise<void>((resolve) => {
      const end = (): void => {
        this.#rest?.timer.cancel();
        this.#rest = null;
        resolve();
      };
      this.#rest = { timer: this.#context.clock.after(pauseMs, end), end };
    });
  }

  // ---- what the reader says -----------------------------------------------------------------------------------------

  #learn(pd: PdCapabilities): void {
    this.#pd = pd;
    this.readers.learn(pd);
    this.outputs?.learn(pd.outputs);
    this.#returnToCrc(pd);
    const fewer = fewerTerminals(this.settings, pd);
    this.#life.fault('fewer_terminals', fewer, 'it has the terminals that are configured');
    const lacks = this.biometrics !== null && !pd.biometrics ? NO_BIOMETRICS : null;
    this.#life.fault('no_biometrics', lacks, 'it reads fingers or faces, as its `biometrics` says');
  }

  #extend(part: Fragment): void {
    const step = this.#extendedParts.accept(part);
    if (step.step === 'complete') this.#extendedId = decodeExtendedId(step.content);
  }

  /** Its first answers by CRC may have been lost: it says itself that it knows it. Once, for some say so and do not. */
  #returnToCrc(pd: PdCapabilities): void {
    const { link } = this.station;
    if (link.crc || !pd.crc || this.settings.checkCharacters !== 'auto' || this.#hasReturnedToCrc) return;
    this.#hasReturnedToCrc = true;
    this.#log.info('it knows CRC: checksums are given up');
    this.relink();
    link.crc = true;
  }

  /** `proven`: it came through the secured channel, so it is the reader that holds the key. */
  #identify(id: PdId | null, proven: boolean): void {
    if (id === null) return;
    this.#id = id;
    const found = describeUnit(id);
    const expected = this.keyRing.meet(found, proven || !this.settings.secure);
    if (expected === null) return;
    this.#reports.forgetUnit();
    this.outputs?.forgetUnit();
    this.fingers.forgetUnit();
    this.#hasReturnedToCrc = false;
    this.#context.emit({ type: 'identity_changed', device: this.name, expected, found });
  }

  #report({ code, data, secured, old, atMonotonicMs }: Report): void {
    if (this.settings.secure && !secured) {
      this.#clearText(code);
      return;
    }
    const reply = decodeReply(code, data);
    if (typeof reply === 'string') {
      this.#reports.misread(code, reply);
      return;
    }
    if (old && OF_THE_MOMENT.includes(reply.name)) {
      this.#log.info('what was shown to the reader during an outage does not count', { report: reply.name });
      return;
    }
    if (reply.name === 'OSTATR' && !old) this.outputs?.seen(reply.fields.outputs, atMonotonicMs);
    if (this.#waiters.take(reply) || this.fingers.takes(reply)) return;
    if (reply.name === 'EXT_PDID') {
      this.#extend(reply.fields);
      return;
    }
    if (this.#reports.accept(reply, atMonotonicMs, false)) return;
    this.#log.debug('a report that nobody waits for', { reply: reply.name });
  }

  #refused(error: number): void {
    if (this.settings.secure || error !== NAK.encryptionRequired) return;
    this.#setWantsChannel(true);
    this.station.reset();
    this.#lose({ why: 'refused', reason: WANTS_CHANNEL });
  }

  #clearText(code: number): void {
    const name = replyLabel(code);
    if (name === 'RAW' || name === 'FMT' || name === 'KEYPAD') {
      this.#context.emit({ type: 'clear_text_card', device: this.name });
    }
  }

  // ---- online, offline, faults --------------------------------------------------------------------------------------

  #setOffline(reason: string): void {
    if (!this.#life.lost(reason)) return;
    // However it went: half a PIN and the inputs' states would be those of before.
    this.#reports.forget();
    this.station.reset();
  }

  #outputStands(output: number, stand: OutputStand, energised: boolean, atMonotonicMs: number): void {
    if (stand === 'astray') this.#log.warn('an output is not as it was told: told again', { output });
    const stuck = stand === 'stuck' ? stuckMessage(output, energised) : null;
    this.#life.fault(`output_${output}_stuck`, stuck, `output ${output} follows again`);
    this.#context.emit({ type: 'output', device: this.name, output, stand, energised, atMonotonicMs });
  }
}
