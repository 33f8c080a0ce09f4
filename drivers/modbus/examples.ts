// The frames that a profile copies from a manual, held against what the driver really sends: the same outputs, slots
// and inputs as on a bus, with a recorder in place of the line.

import type { BusUnit, Outcome } from './bus-terms.ts';
import { decodeReply, type Request } from './codec.ts';
import { Inputs } from './inputs.ts';
import { OutputWire, pulseRequest, type OutputSpec } from './output-wire.ts';
import type { Profile, ProfileProblem } from './profile-schema.ts';
import { RecordCodec } from './record.ts';
import { writeFeedback } from './reader.ts';
import { acknowledge, readCard, readNew } from './reader-shapes.ts';
import { crc16, requestFrame } from './rtu.ts';
import { Slots } from './slots.ts';
import { Talk } from './talk.ts';
import { assert } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/domain/ports.ts';
import { newCounters } from '../kit/counters.ts';

type Example = Profile['examples'][number];

/** The manuals' frames are those of unit 1. */
const UNIT = 1;
const REQUEST_REGISTERS = 125;

/** Every example that the driver would carry out otherwise, or whose reply it would not take. */
export async function checkExamples(profile: Profile, clock: Clock): Promise<ProfileProblem[]> {
  const problems: ProfileProblem[] = [];
  for (const [i, example] of profile.examples.entries()) {
    const [request] = await requestsOf(profile, example.do, clock);
    const add = (key: string, message: string, remedy: string): void => {
      problems.push({ severity: 'error', path: ['examples', i, key], message, remedy });
    };
    if (request === undefined) {
      add('do', 'nothing is sent for it', 'compare it with what the profile can do');
      continue;
    }
    const sent = requestFrame(UNIT, request);
    if (!sent.equals(bytesOf(example.request)))
      add('request', `${example.what}: the driver sends ${spaced(sent)}`, 'correct the profile, or the example');
    const reply = example.reply === undefined ? null : bytesOf(example.reply);
    if (reply !== null && !isReplyTo(request, reply))
      add('reply', `${example.what}: the driver does not take this as the answer`, 'compare it with the manual');
  }
  return problems;
}

/** What goes to the device for an action, in order. */
export async function requestsOf(profile: Profile, action: Example['do'], clock: Clock): Promise<Request[]> {
  const recorder = new Recorder();
  const talk = new Talk(recorder, clock, profile.limits, REQUEST_REGISTERS);
  const strike = { priority: 'strike' } as const;
  switch (action.verb) {
    case 'pulse': {
      const { pulse } = outputAt(profile, action.output);
      if (pulse === undefined) await wireOf(profile, action.output, talk).switch(true, strike);
      else await talk.write(pulseRequest(pulse, action.for), strike);
      break;
    }
    case 'set':
      await wireOf(profile, action.output, talk).switch(action.on, strike);
      break;
    case 'read_inputs':
      await new Inputs(profile.inputs, talk, clock, () => undefined).poll();
      break;
    case 'look_for_card':
    case 'read_card':
    case 'acknowledge_card':
    case 'feedback':
      await actAtReader(profile, action, talk);
      break;
    default: {
      const { credentials, doors } = profile;
      assert(credentials !== undefined, 'an example about slots stands in a profile with slots');
      const codec = new RecordCodec(credentials, doors.length, 'UTC');
      const slots = new Slots(credentials, codec, talk, clock, () => null);
      if (action.verb === 'erase_slot') await slots.erase([action.slot]);
      else await slots.write([{ slot: action.slot, content: contentOf(action) }]);
    }
  }
  return recorder.requests;
}

function outputAt(profile: Profile, index: number): OutputSpec {
  const output = profile.outputs[index];
  assert(output !== undefined, 'an example about an output names one of the profile');
  return output;
}

const wireOf = (profile: Profile, index: number, talk: Talk): OutputWire =>
  new OutputWire(outputAt(profile, index), talk, new Map());

type ReaderAction = Extract<Example['do'], { verb: 'look_for_card' | 'read_card' | 'acknowledge_card' | 'feedback' }>;

async function actAtReader({ reader }: Profile, action: ReaderAction, talk: Talk): Promise<void> {
  assert(reader !== undefined, 'an example about cards stands in a profile with a reader');
  if (action.verb === 'look_for_card') await readNew(reader, talk);
  else if (action.verb === 'read_card') await readCard(reader, talk);
  else if (action.verb === 'feedback')
    for (const write of reader.feedback[action.signal]) await writeFeedback(write, talk, Number.POSITIVE_INFINITY);
  else if (reader.mode === 'flag-clear') await acknowledge(reader, talk);
}

const contentOf = (action: Extract<Example['do'], { verb: 'write_slot' }>) => ({
  card: action.card ?? null,
  pin: action.pin ?? null,
  cardAndPin: action.card_and_pin,
  doors: action.doors,
  startsAtMs: action.starts_at === undefined ? null : Date.parse(action.starts_at),
  endsAtMs: action.ends_at === undefined ? null : Date.parse(action.ends_at),
  oneTimeUse: false,
});

/** A device that does everything and holds zeros. */
class Recorder implements BusUnit {
  readonly requests: Request[] = [];
  readonly online = true;
  readonly heardAtMs = 0;
  readonly transferAtMs = 0;
  readonly counters = newCounters();

  request(request: Request): Promise<Outcome> {
    this.requests.push(request);
    return Promise.resolve({ outcome: 'reply', reply: replyTo(request), atMonotonicMs: 0 });
  }

  callBack(): void {
    // Nothing is on its way anywhere.
  }
}

function replyTo(request: Request): Extract<Outcome, { outcome: 'reply' }>['reply'] {
  if (request.fc <= 2 && 'count' in request) {
    return { kind: 'bits', bits: Array.from({ length: request.count }, () => false) };
  }
  if ('count' in request) return { kind: 'registers', registers: Array.from({ length: request.count }, () => 0) };
  return { kind: 'written' };
}

function isReplyTo(request: Request, frame: Buffer): boolean {
  const isFrame = frame.length >= 5 && frame.readUInt16LE(frame.length - 2) === crc16(frame.subarray(0, -2));
  return isFrame && frame[0] === UNIT && decodeReply(request, frame.subarray(1, -2)).outcome === 'reply';
}

const bytesOf = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const spaced = (bytes: Buffer): string =>
  bytes
    .toString('hex')
    .toUpperCase()
    .replaceAll(/(..)(?!$)/g, '$1 ');
