// Fingers, faces and the like at one reader (fact sheet section 3.8): read, or compared with a template that the reader is
// given. An answer names neither its question nor the person, so that it is for this side to know which it belongs to:
// one question at a time; an answer counts only behind the acknowledgement of its own question; and after a question
// that was left without one nothing is asked until the reader has given it up and has nothing more to tell.

import type {
  BiometricDevice,
  BiometricFormat,
  BiometricMatch,
  BiometricReading,
  BiometricTemplate,
  BiometricTerms,
  BiometricType,
  Clock,
  Log,
} from '../driver.ts';
import { BIOMETRIC_TYPES } from '../../src/domain/biometrics.ts';
import { withDeadline } from '../../src/domain/deadline.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import { requestError } from '../kit/fates.ts';
import { command, type WireCommand } from './commands.ts';
import { transferFile, type FileTaker } from './file-transfer.ts';
import type { JobResult } from './jobs.ts';
import { fitsFrame } from './limits.ts';
import { refusal } from './refusals.ts';
import { decodeReply, NAK, REPLIES, replyLabel } from './replies.ts';
import type { DecodedReply, ReplyFields } from './replies.ts';

export type ReadRequest = { reader: number; type: number; format: number; quality: number };
export type MatchRequest = { reader: number; type: number; format: number; threshold: number; template: Buffer };
export type FingerReading = Omit<ReplyFields['BIOREADR'], 'reader'>;
export type FingerMatch = Omit<ReplyFields['BIOMATCHR'], 'reader'>;

/** The reader, as far as it is asked here. */
export type Asked = FileTaker & {
  readonly online: boolean;
  readonly settings: { readonly secure: boolean };
  status(): { identity: string | null; problem: string | null };
  ask(wire: WireCommand): Promise<JobResult>;
};

const FORMATS: Readonly<Record<BiometricFormat, number>> = { default: 0, ansi_378: 2 };
/** As `BIOREADR` and `BIOMATCHR` say it. */
const STATUS = { done: 0, nobody: 1 };
/** The file that is the template of the next BIOMATCH. */
const TEMPLATE_FILE = 2;
/** How long a reader has to give up an earlier question before the next one. */
const GIVE_UP_MS = 3_000;
/** One that cannot be told to give up has done so by itself by then. */
const GIVEN_UP_MS = 30_000;

type Answer = 'BIOREADR' | 'BIOMATCHR';
type Question = { over: AbortSignal; ended: Promise<unknown> };
type Waiting = {
  name: Answer;
  head: number;
  take: (reply: DecodedReply<Answer>) => void;
  fail: (error: OperatingError) => void;
};
/** A question without an answer, which may still come. */
type Owed = {
  isAborted: boolean;
  aborting: Promise<unknown>;
  sinceMs: number;
  freed: Promise<unknown>;
  free: () => void;
};

export class Fingers implements BiometricDevice {
  readonly terms: BiometricTerms;
  readonly #reader: Asked;
  readonly #clock: Clock;
  readonly #log: Log;
  #question: Question | null = null;
  #waiting: Waiting | null = null;
  #owed: Owed | null = null;
  /** Whoever waits for a poll that brings nothing. */
  readonly #quiet: (() => void)[] = [];
  #abortedAtMs = -Infinity;
  /** It was told to give up, said that it had, and answered all the same. */
  #ignoresAbort = false;
  /** The unit that it was, and what that has refused. */
  #refused = { unit: null as string | null, types: new Set<number>(), formats: new Set<number>() };

  constructor(reader: Asked, terms: BiometricTerms | null, clock: Clock, log: Log) {
    this.#reader = reader;
    this.terms = terms ?? NO_TERMS;
    this.#clock = clock;
    this.#log = log;
  }

  // ---- for doors and enrolment --------------------------------------------------------------------------------------

  problem(): string | null {
    const { name, online, pdCapabilities } = this.#reader;
    if (!online) return this.#offline();
    return pdCapabilities?.biometrics === false ? `${name}: ${NO_BIOMETRICS}` : null;
  }

  #offline(): string {
    return `${this.#reader.name} is offline: ${this.#reader.status().problem ?? ''}`;
  }

  async read(head: number, type: BiometricType, timeoutMs: number, over: AbortSignal): Promise<BiometricReading> {
    const { format, quality: least } = this.terms;
    const read = await this.#read({ reader: head, type: codeOf(type), format: FORMATS[format], quality: least }, timeoutMs, over); // prettier-ignore
    if (read === null || read.status === STATUS.nobody) return { outcome: 'nothing' };
    const { status, quality, template } = read;
    return status !== STATUS.done || template.length === 0
      ? { outcome: 'unreadable' }
      : { outcome: 'read', quality, template };
  }

  /** A template that no frame holds goes ahead as a file. */
  async match(
    head: number,
    enrolled: BiometricTemplate,
    timeoutMs: number,
    over: AbortSignal,
  ): Promise<BiometricMatch> {
    const { type, format, template } = enrolled;
    const { threshold } = this.terms;
    const request = { reader: head, type: codeOf(type), format: FORMATS[format], threshold, template };
    const isLong = !fitsFrame(command('BIOMATCH', request), this.#reader.pdCapabilities, this.#reader.settings.secure);
    const match = await this.#match(isLong ? { ...request, template: NOTHING } : request, isLong ? template : null, timeoutMs, over); // prettier-ignore
    if (match === null || match.status === STATUS.nobody) return { outcome: 'nothing' };
    return match.status === STATUS.done ? { outcome: 'compared', score: match.score } : { outcome: 'unreadable' };
  }

  // ---- as the reader says it ----------------------------------------------------------------------------------------

  async readNow(request: ReadRequest, timeoutMs: number): Promise<FingerReading> {
    return (await this.#read(request, timeoutMs, NEVER)) ?? this.#nobodyCame('BIOREADR', timeoutMs);
  }

  async matchNow(request: MatchRequest, timeoutMs: number): Promise<FingerMatch> {
    return (await this.#match(request, null, timeoutMs, NEVER)) ?? this.#nobodyCame('BIOMATCHR', timeoutMs);
  }

  #nobodyCame(name: Answer, timeoutMs: number): never {
    throw new OperatingError('timed_out', `${this.#reader.name}: no ${name} came within ${timeoutMs} ms`);
  }

  /** Null: nobody came. */
  async #read(request: ReadRequest, timeoutMs: number, over: AbortSignal): Promise<FingerReading | null> {
    const wire = command('BIOREAD', request);
    const answer = await this.#ask({ wire, name: 'BIOREADR', ...request, ahead: null }, timeoutMs, over);
    if (answer?.name !== 'BIOREADR') return null;
    const { status, type, quality, template } = answer.fields;
    return { status, type, quality, template: Buffer.from(template) };
  }

  /** `ahead`: the template, where it goes as a file. */
  async #match(
    request: MatchRequest,
    ahead: Buffer | null,
    timeoutMs: number,
    over: AbortSignal,
  ): Promise<FingerMatch | null> {
    const wire = command('BIOMATCH', request);
    const answer = await this.#ask({ wire, name: 'BIOMATCHR', ...request, ahead }, timeoutMs, over);
    if (answer?.name !== 'BIOMATCHR') return null;
    const { status, score } = answer.fields;
    return { status, score };
  }

  async #ask(
    what: { wire: WireCommand; name: Answer; reader: number; type: number; format: number; ahead: Buffer | null },
    timeoutMs: number,
    over: AbortSignal,
  ): Promise<DecodedReply<Answer> | null> {
    const earlier = this.#question;
    if (earlier !== null && !earlier.over.aborted)
      throw new OperatingError('not_permitted', `${this.#reader.name} waits for a finger already`);
    if (!this.#reader.online) throw requestError('offline', this.#offline());
    const { promise: ended, resolve: end } = Promise.withResolvers<null>();
    const question = { over, ended };
    this.#question = question;
    try {
      await earlier?.ended;
      this.#refuseKnown(what);
      await this.#settled();
      this.#refuseOver(over);
      if (what.ahead !== null) await this.#send(what.ahead, over);
      return await this.#answered(what, timeoutMs, over);
    } finally {
      end(null);
      if (this.#question === question) this.#question = null;
    }
  }

  async #send(content: Buffer, over: AbortSignal): Promise<void> {
    await transferFile(this.#reader, this.#clock, { type: TEMPLATE_FILE, content }, () => undefined, over);
    this.#refuseOver(over);
  }

  async #answered(
    { wire, name, reader: head, type, format }: { wire: WireCommand; name: Answer; reader: number; type: number; format: number }, // prettier-ignore
    timeoutMs: number,
    over: AbortSignal,
  ): Promise<DecodedReply<Answer> | null> {
    const result = await this.#reader.ask(wire);
    if (result.kind === 'nak') this.#learn(result.error, type, format);
    if (result.kind !== 'reply') {
      // It may have been carried out all the same.
      if (result.kind !== 'nak' && result.kind !== 'dropped') this.#leave();
      throw refusal(this.#reader.name, wire, result);
    }
    const direct = result.code === REPLIES.ACK.code ? null : decodeReply(result.code, result.data);
    if (direct !== null) {
      if (typeof direct !== 'string' && isAnswer(direct, name, head)) return direct;
      throw new OperatingError('not_supported', `${this.#reader.name} answered ${wire.name} with ${replyLabel(result.code)}`); // prettier-ignore
    }
    let answer: DecodedReply<Answer> | null = null;
    try {
      answer = await this.#awaited(name, head, timeoutMs, over);
      return answer;
    } finally {
      if (answer === null) this.#leave();
    }
  }

  async #awaited(
    name: Answer,
    head: number,
    timeoutMs: number,
    over: AbortSignal,
  ): Promise<DecodedReply<Answer> | null> {
    this.#refuseOver(over);
    const { promise, resolve: take, reject: fail } = Promise.withResolvers<DecodedReply<Answer> | null>();
    const giveUp = (): void => fail(this.#overError());
    const timer = this.#clock.after(timeoutMs, () => take(null));
    over.addEventListener('abort', giveUp);
    this.#waiting = { name, head, take, fail };
    try {
      return await promise;
    } finally {
      this.#waiting = null;
      timer.cancel();
      over.removeEventListener('abort', giveUp);
    }
  }

  #refuseOver(over: AbortSignal): void {
    if (over.aborted) throw this.#overError();
  }

  #overError(): OperatingError {
    return new OperatingError('interrupted', `${this.#reader.name}: nobody waits for the finger any more`);
  }

  // ---- what the reader tells ----------------------------------------------------------------------------------------

  /** True when a report is a matter of a question, of this one or of one that was given up. */
  takes(reply: DecodedReply): boolean {
    if (reply.name !== 'BIOREADR' && reply.name !== 'BIOMATCHR') return false;
    const waiting = this.#waiting;
    if (waiting !== null && isAnswer(reply, waiting.name, waiting.head)) {
      waiting.take(reply);
      return true;
    }
    const isLate = this.#clock.monotonicMs() - this.#abortedAtMs < GIVEN_UP_MS;
    if (this.#owed === null && this.#question === null && !isLate) return false;
    if (this.#owed === null && isLate) this.#ignoresAbort = true;
    this.#log.info('an answer to a question that was given up does not count', { report: reply.name });
    this.#owed?.free();
    return true;
  }

  /** A poll has brought nothing. */
  nothingNew(): void {
    if (this.#owed?.isAborted === true && !this.#ignoresAbort) this.#owed.free();
    for (const resolve of this.#quiet.splice(0)) resolve();
  }

  /** The link is lost, or begins anew: whatever was asked is not answered any more. */
  lost(reason: string): void {
    this.#waiting?.fail(new OperatingError('controller_offline', `${this.#reader.name}: ${reason}`));
  }

  /** Another unit is in its place. */
  forgetUnit(): void {
    this.#ignoresAbort = false;
  }

  // ---- questions without an answer ----------------------------------------------------------------------------------

  #leave(): void {
    if (this.#owed !== null) return;
    const { promise: freed, resolve } = Promise.withResolvers<null>();
    const sinceMs = this.#clock.monotonicMs();
    const owed: Owed = { isAborted: false, aborting: freed, sinceMs, freed, free: () => undefined };
    owed.free = () => {
      if (this.#owed === owed) this.#owed = null;
      resolve(null);
    };
    this.#owed = owed;
    owed.aborting = this.#abort(owed);
  }

  async #abort(owed: Owed): Promise<void> {
    try {
      await this.#reader.request(command('ABORT', {}));
      owed.isAborted = true;
      this.#abortedAtMs = this.#clock.monotonicMs();
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      this.#log.debug('it cannot be told to give up', { reason: error.message });
    }
  }

  /** The reader has given up whatever it was asked before, and nothing waits in it that would be taken for an answer. */
  async #settled(): Promise<void> {
    const owed = this.#owed;
    const { name } = this.#reader;
    if (owed !== null) {
      await owed.aborting;
      if (!owed.isAborted) await (owed.aborting = this.#abort(owed));
      if (this.#clock.monotonicMs() - owed.sinceMs >= GIVEN_UP_MS) owed.free();
      await withDeadline(this.#clock, GIVE_UP_MS, `${name} to give up what it was asked before`, owed.freed);
    }
    const { promise: quiet, resolve } = Promise.withResolvers<null>();
    this.#quiet.push(() => resolve(null));
    await withDeadline(this.#clock, GIVE_UP_MS, `${name} to have nothing more to tell`, quiet);
  }

  // ---- what it does not know ----------------------------------------------------------------------------------------

  /** What a reader has refused for its type or format is not asked of it again, until another unit is in its place. */
  #refuseKnown({ type, format }: { type: number; format: number }): void {
    if (this.#refused.unit !== this.#reader.status().identity) return;
    const { types, formats } = this.#refused;
    const why = types.has(type) ? 'biometric type' : formats.has(format) ? 'biometric format' : null;
    if (why === null) return;
    throw new OperatingError('not_supported', `${this.#reader.name} has said that it does not know this ${why}`);
  }

  #learn(error: number, type: number, format: number): void {
    const unit = this.#reader.status().identity;
    if (this.#refused.unit !== unit) this.#refused = { unit, types: new Set(), formats: new Set() };
    if (error === NAK.bioType) this.#refused.types.add(type);
    if (error === NAK.bioFormat) this.#refused.formats.add(format);
  }
}

export const NO_BIOMETRICS =
  'it says that it reads no fingers or faces, and its `biometrics` is set: nobody gets through a door that asks for one. Set up another reader, or take `biometrics` and such `factors` out of the facility file';

const NEVER = new AbortController().signal;
const NOTHING = Buffer.alloc(0);
const NO_TERMS: BiometricTerms = { type: 'unspecified', format: 'default', threshold: 255, quality: 0, presentMs: 0 };
const codeOf = (type: BiometricType): number => BIOMETRIC_TYPES.indexOf(type);

const isAnswer = (reply: DecodedReply, name: Answer, head: number): reply is DecodedReply<Answer> =>
  (reply.name === 'BIOREADR' || reply.name === 'BIOMATCHR') && reply.name === name && reply.fields.reader === head;
