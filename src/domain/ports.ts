// The ports of the house, types only: what the inner rooms ask of the outside (time, chance, a log, the bytes of a
// line) and the contract that every driver keeps. Nothing here runs. Instants are epoch milliseconds, monotonic
// instants are milliseconds of an arbitrary origin, durations end in `Ms`.

import type { BiometricDevice } from './biometrics.ts';
import type { CardReading } from './card-formats.ts';
import type { CodeConstraint } from './code-constraints.ts';
import type { OutputStand } from './output-watch.ts';
import type { DayRange } from './schedule.ts';

// ---- time, chance, log ----------------------------------------------------------------------------------------------

export type Timer = { cancel(): void };

export type Clock = {
  /** Wall clock, epoch milliseconds; may leap and may be wrong. */
  nowMs(): number;
  /**
   * Never goes back; milliseconds with a fraction since an arbitrary origin. For durations, deadlines and order of
   * arrival.
   */
  monotonicMs(): number;
  /** Runs `run` once, no earlier than `delayMs` from now. A running timer does not keep the process alive by itself. */
  after(delayMs: number, run: () => void): Timer;
  /** Runs `run` on the next turn of the loop, after what has already arrived was delivered. */
  immediate(run: () => void): void;
};

export type Random = {
  bytes(count: number): Buffer;
  /** A version 4 UUID in lower case. */
  uuid(): string;
  /** Uniform in [0, 1); for jitter, never for secrets. */
  fraction(): number;
};

export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log. Never hand it a PIN, a card value or a key. */
export type Log = {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  child(fields: LogFields): Log;
};

// ---- lines ----------------------------------------------------------------------------------------------------------

export type Parity = 'none' | 'even' | 'odd';

/** Where a line is: a serial device or a serial-to-TCP converter. `path` is a device path or `tcp://host:port`. */
export type LineSettings = {
  path: string;
  baud: number;
  parity: Parity;
  dataBits: 7 | 8;
  stopBits: 1 | 2;
};

/** An open line of bytes. It is closed once and never reused: a new one is opened after each loss. */
export type Port = {
  /** Hands bytes to the operating system in this very turn where the line is idle; order is kept. */
  write(bytes: Uint8Array): void;
  /**
   * Resolves when everything written has left for the wire (serial: drained; socket: flushed to the kernel). Rejects
   * when the line is lost.
   */
  drain(): Promise<void>;
  /** Throws away what has arrived and was not yet delivered. */
  discardInput(): Promise<void>;
  close(): Promise<void>;
  /**
   * As `close`, and what the operating system has taken and not delivered yet never will be: a network that stands
   * still would hand it over when it moves again.
   */
  abort(): Promise<void>;
};

export type PortHandlers = {
  /** Bytes as they arrive; the buffer is the handler's to keep. */
  data(bytes: Buffer): void;
  /** The line is gone (unplugged, reset, closed by the far end). Called at most once, and not after `close()`. */
  lost(reason: string): void;
};

/** Opens a line within `timeoutMs`, else rejects with an `OperatingError` whose message says what and why. */
export type OpenPort = (settings: LineSettings, handlers: PortHandlers, timeoutMs: number) => Promise<Port>;

// ---- the driver contract --------------------------------------------------------------------------------------------

/** What a device can do, known from configuration and profile alone, without the wire. `null` and `[]` mean: cannot. */
export type Capabilities = {
  slots: SlotCapabilities | null;
  readers: readonly ReaderCapabilities[];
  outputs: readonly OutputCapabilities[];
  inputs: readonly InputCapabilities[];
  /** Doors the device decides for itself, numbered as in the facility file's `door:`. */
  doors: readonly DoorCapabilities[];
  clock: boolean;
  events: boolean;
};

export type SlotCapabilities = {
  firstSlot: number;
  count: number;
  /** `constraints`: rules of the device for its codes, by Seam's names. */
  pin: { lengths: readonly number[]; constraints?: readonly CodeConstraint[] } | null;
  /** Names of card formats (card-formats.ts) the table can hold; [] when it holds no cards. */
  cardFormats: readonly string[];
  /** A slot may hold a card and a PIN that are both asked for. */
  cardAndPin: boolean;
  pinWithoutCard: boolean;
  windows: 'none' | 'until' | 'from-until';
  /** Granularity of a stored instant, e.g. 60_000 for a device that keeps minutes. 0 when `windows` is `none`. */
  windowResolutionMs: number;
  readBack: 'full' | 'masked' | 'none';
  oneTimeUse: boolean;
  duplicatePins: 'reject' | 'accept';
  /** Largest number of slots that one write transfer carries. */
  slotsPerWrite: number;
  /**
   * Weekly schedules that slots can name. Left out: the device has none; null: it has, and the facility file gives
   * Lintel none to write.
   */
  schedules?: ScheduleCapabilities | null;
};

/** Numbered time zones that a slot can name, each with one range a day; a further range takes a further zone. */
export type ScheduleCapabilities = {
  /** The numbers that Lintel may write, both included. */
  firstZone: number;
  lastZone: number;
  /** How many days the device keeps as holidays. */
  holidays: number;
  /** The wall clock that the device shows, as IANA name. */
  timeZone: string;
};

export type ReaderCapabilities = {
  keypad: boolean;
  card: boolean;
  feedback: readonly Feedback[];
  /**
   * True when it shows granted and denied as an entrance says (colour, beeps); false when only as its own settings say,
   * if at all.
   */
  showsLook: boolean;
  /** A phone or card can prove its key through it, to the gateway. */
  mobileKey?: boolean;
  /** It reads fingers, faces or the like, and compares them with a template that it is given. */
  biometric?: boolean;
};
export type OutputCapabilities = {
  /** True when the device itself ends a pulse, so that a cut line cannot leave the strike open. */
  devicePulse: boolean;
  pulseMinMs: number;
  pulseMaxMs: number;
  /** True when the output's state can be read from the device. */
  readBack: boolean;
};
export type InputCapabilities = {
  latched: boolean;
  /** How often it is looked at; left out: as good as at once. */
  lookMs?: number;
};
export type DoorCapabilities = { door: number; strike: number | null; contact: number | null; rex: number | null };

export type Feedback = 'ready' | 'prompt_pin' | 'prompt_biometric' | 'granted' | 'denied' | 'locked_out';

/** What a slot should hold. Secrets are in the clear here, in memory only, for as long as the write takes. */
export type SlotContent = {
  card: string | null; // canonical, e.g. `H10301:123:45678`
  pin: string | null; // digits
  /** Both asked for (`card_and_code`). */
  cardAndPin: boolean;
  doors: readonly number[];
  startsAtMs: number | null;
  endsAtMs: number | null;
  oneTimeUse: boolean;
  /** The time zone that it opens in; null or left out: at all times, or as the device's own settings say. */
  zone?: number | null;
};

export type SlotReading = {
  slot: number;
  /** `occupied` tells that something is in the slot, not whose it is. */
  state: 'empty' | 'occupied';
  /**
   * The record as read, in the same form as `SlotDevice.image` gives; holds secrets, so keep only a keyed hash of it.
   */
  image: Buffer;
};

export type SlotOutcome =
  | { slot: number; outcome: 'written' }
  /** The device said no; trying again without a change is useless. */
  | { slot: number; outcome: 'refused'; error: SlotRefusal; message: string }
  /** No proof either way (time-out, line lost): read back before deciding. */
  | { slot: number; outcome: 'unknown'; message: string };
export type SlotRefusal = 'full' | 'duplicate' | 'bad_pin' | 'bad_card' | 'not_supported' | 'device_error';

export type SlotWrite = { slot: number; content: SlotContent };

/**
 * A table of credentials in the device. Calls never throw for what a device or wire does: outcomes are values; `read`
 * rejects with an OperatingError.
 */
export type SlotDevice = {
  /**
   * What reading the slot gives once `content` (null: erased) is stored; masked fields are left out. Throws
   * `OperatingError` when it cannot be encoded.
   */
  image(slot: number, content: SlotContent | null): Buffer;
  /**
   * Whether a write of `content` into the empty slot that ended half-way may have left what reads as `image`. Left out
   * where a write is stored whole or not at all.
   */
  mayBeLeftOf?(slot: number, content: SlotContent, image: Buffer): boolean;
  /** Reads these slots (contiguous ones together). */
  read(slots: readonly number[]): Promise<SlotReading[]>;
  write(writes: readonly SlotWrite[]): Promise<SlotOutcome[]>;
  erase(slots: readonly number[]): Promise<SlotOutcome[]>;
};

/** What a time zone holds. */
export type ZoneContent = {
  /** Seven, Monday first; null: nobody enters on that day. */
  days: readonly (DayRange | null)[];
  /** Whether it holds on holidays as on other days; else nobody enters then. */
  onHolidays: boolean;
  /** Another zone that holds as well. */
  link: number | null;
};

export type ScheduleOutcome =
  /** Acknowledged: there is no reading it back. */
  | { outcome: 'done' }
  /** The device said no; trying again without a change is useless. */
  | { outcome: 'refused'; message: string }
  | { outcome: 'unknown'; message: string };

/** Weekly schedules in the device. Calls never throw for what a device or wire does. */
export type ScheduleDevice = {
  writeZone(zone: number, content: ZoneContent): Promise<ScheduleOutcome>;
  /** Makes these days of the year, `MM-DD`, the device's holidays, in place of the first `former` that it has. */
  writeHolidays(days: readonly string[], former: number): Promise<ScheduleOutcome>;
};

export type OutputOutcome =
  /** Acknowledged by the device; `confirmed` when the state was read back as well. */
  | { outcome: 'done'; confirmed: boolean }
  | { outcome: 'failed'; error: 'controller_offline' | 'timed_out' | 'device_error' | 'too_late'; message: string };

export type OutputDevice = {
  /**
   * Energises the output for `durationMs`, before everything else that waits for the bus. The request is handed to the
   * line in this very turn when the bus is idle. Never repeated later than `notAfterMonotonicMs`: past that the outcome
   * is `too_late`. `onSent` is called in the turn in which the request is handed to the line (possibly again when it is
   * repeated); a driver that cannot tell never calls it.
   */
  pulse(output: number, durationMs: number, notAfterMonotonicMs: number, onSent?: () => void): Promise<OutputOutcome>;
  set(output: number, energised: boolean): Promise<OutputOutcome>;
};

export type ReaderDevice = {
  /**
   * Shows the outcome at the reader. Best effort: lost feedback is no error. `look`: what the entrance says of it, in
   * place of the reader's own settings.
   */
  feedback(reader: number, signal: Feedback, look?: FeedbackLook): void;
};

/** What is not said is as the reader's own settings have it. */
export type FeedbackLook = {
  led?: 'green' | 'red' | 'amber' | 'blue' | 'magenta' | 'cyan' | 'white' | 'off' | undefined;
  beep?: number | undefined;
};

export type DeviceClock = {
  read(): Promise<number>; // epoch ms
  set(atMs: number): Promise<void>;
};

export type ControllerEvent = {
  /** The device's own number or cursor of this event, for acknowledgement and deduplication. */
  cursor: string;
  kind: 'granted' | 'denied' | 'rex' | 'opened' | 'closed' | 'forced' | 'held' | 'tamper' | 'other';
  /** The device's own code, as read. */
  code: number;
  /** Finer reason where the device gives one: `unknown`, `time`, … */
  detail: string | null;
  door: number | null;
  slot: number | null;
  /** The device's clock, epoch ms; null when it stamps nothing. */
  atMs: number | null;
};
export type EventDevice = {
  /** The oldest events not yet acknowledged, at most `max`; `lost` when the device says that it overflowed. */
  read(max: number): Promise<{ events: ControllerEvent[]; lost: boolean }>;
  /** Frees everything up to and including this cursor at the device. Call only when stored. */
  acknowledge(cursor: string): Promise<void>;
};

export type DeviceCounters = {
  requests: number;
  replies: number;
  timeouts: number;
  retries: number;
  crcErrors: number;
  exceptions: number;
  bytesSent: number;
  bytesReceived: number;
};

export type DeviceStatus = {
  online: boolean;
  /** Since when it is online or, for certain, not; epoch ms; null while it is first looked for. */
  sinceMs: number | null;
  /** What the device says it is, e.g. `acme-dc2 4143:0201`; null when it has not been read. */
  identity: string | null;
  /** Why it is offline or not used, for people. */
  problem: string | null;
  counters: Readonly<DeviceCounters>;
};

export type Device = {
  /** The controller's name in the facility file. */
  readonly name: string;
  readonly capabilities: Capabilities;
  status(): DeviceStatus;
  readonly slots: SlotDevice | null;
  /** Left out where the device keeps no schedules. */
  readonly schedules?: ScheduleDevice | null;
  readonly outputs: OutputDevice | null;
  readonly readers: ReaderDevice | null;
  /** Left out where the device reads no fingers. */
  readonly biometrics?: BiometricDevice | null;
  readonly clock: DeviceClock | null;
  readonly events: EventDevice | null;
};

/**
 * An input changed, or is told for the first time after a gap. It changed after `changedAfterMonotonicMs`, the last
 * instant at which it was seen otherwise (null: never): what may be long past sets a state and drives nothing.
 */
export type InputEvent = {
  type: 'input';
  device: string;
  input: number;
  active: boolean;
  atMonotonicMs: number;
  changedAfterMonotonicMs: number | null;
};

/** How well a line lets its bus work, whoever of its devices answers. */
export type BusHealth = {
  state: 'good' | 'disturbed' | 'down';
  /** By what it is disturbed, or why it is down, for people; null while it is good. */
  problem: string | null;
  /**
   * Since the start, of devices that are there: exchanges, those of them whose answer was lost or damaged, those that
   * never began because the line did not fall silent; frames of others on the line, and answers that came when nobody
   * waited any more.
   */
  counters: { exchanges: number; lost: number; unsent: number; strangeFrames: number; lateFrames: number };
};

/** What a driver tells upwards. `atMonotonicMs` is when the last byte of it was handed to us. */
export type DriverEvent =
  | { type: 'online'; device: string }
  | { type: 'offline'; device: string; reason: string }
  | { type: 'presented'; device: string; reader: number; presentation: Presentation; atMonotonicMs: number }
  | InputEvent
  /**
   * How an output stands, where that has changed: `as_told` (pulses of ours included), `own` (the device drives it by
   * its own decision), `astray` (otherwise than told, and told again) or `stuck` (told again in vain).
   */
  | {
      type: 'output';
      device: string;
      output: number;
      stand: OutputStand;
      energised: boolean;
      atMonotonicMs: number;
    }
  | { type: 'tamper'; device: string; active: boolean }
  | { type: 'power'; device: string; failed: boolean }
  | { type: 'identity_changed'; device: string; expected: string; found: string }
  /** The device lost its memory or says that it restarted: its table must be compared anew. */
  | { type: 'restarted'; device: string }
  /** Something an installer must know and that no other event says, e.g. a wrong output mode. Lasts until `cleared`. */
  | { type: 'fault'; device: string; code: string; message: string; cleared: boolean }
  | { type: 'secure_channel_lost'; device: string; reason: string }
  | { type: 'clear_text_card'; device: string }
  /** Not of one device but of their line: something keeps it from working as it should, or, null, does so no more. */
  | { type: 'bus_disturbed'; bus: string; problem: string | null };

export type Presentation =
  | { kind: 'card'; reading: CardReading }
  /** A PIN typed and ended by `#` or the time-out; digits only. */
  | { kind: 'digits'; digits: string }
  /** The key of a phone or card, whose possession was proved to the panel: the uncompressed point, 65 bytes. */
  | {
      kind: 'mobile_key';
      key: Buffer;
      /** What an issuer has signed for it, as the phone handed it over; left out: it handed over nothing. */
      token?: Buffer;
    }
  /** A phone or card that did not prove its key. */
  | { kind: 'unproved'; failure: 'signature_invalid' | 'transaction_expired' }
  /** A finger that nobody has asked for. Whatever the reader says of it, it opens nothing. */
  | { kind: 'biometric'; factor: string };

/** Of an output, whether it is left as it is. */
export type Keeps = (device: string, output: number) => boolean;

/** One bus (a serial port or a socket) and the devices on it. */
export type Driver = {
  /** The bus's name in the facility file. */
  readonly bus: string;
  readonly devices: ReadonlyMap<string, Device>;
  /** Left out where the driver judges its devices alone. */
  health?(): BusHealth;
  /**
   * Begins to open the line and talk, again and again until it works; resolves at once, never rejects because a device
   * is off.
   */
  start(): void;
  /**
   * Drives every output to its rest state (de-energised), within `timeoutMs`; from this call on none is energised any
   * more. `keeps`: outputs that are left as they are. Never rejects; the first call is the one that counts.
   */
  rest(timeoutMs: number, keeps?: Keeps): Promise<void>;
  /** Sees to it that every output is at rest but those that are kept, within `timeoutMs`, and closes the line. */
  stop(timeoutMs: number): Promise<void>;
};

export type DriverContext = {
  clock: Clock;
  random: Random;
  log: Log;
  openPort: OpenPort;
  emit(event: DriverEvent): void;
  /** Outputs that are not brought to rest at first contact: they stay as they are found until they are told something. */
  isLeftAsFound?: Keeps;
  /** For drivers whose devices have keys of their own; absent where nothing can be kept. */
  readerKeys?: ReaderKeys;
  /**
   * Whether a phone that has proved this key at this device is asked for what an issuer has signed for it; left out:
   * none is.
   */
  wantsToken?: (key: Buffer, device: string) => boolean;
};

/**
 * The keys of readers (16 bytes each), sealed where they are kept, and what each reader said it is. Every change is
 * durable when the call returns. Calls throw `OperatingError` when the store refuses.
 */
/** Made in an install window, made to replace another, or brought by an operator. */
export type KeyOrigin = 'installed' | 'rotated' | 'imported';
export type ReaderKeys = {
  load(device: string): {
    active: Buffer | null;
    pending: Buffer | null;
    /** Where the pending key comes from; null where there is none. */
    pendingHow: KeyOrigin | null;
    identity: string | null;
  };
  /**
   * Kept before it is sent to the reader: if the answer is lost, it may be the one that counts. Replaces a pending key.
   */
  savePending(device: string, key: Buffer, how: KeyOrigin): void;
  /**
   * The reader has shown that it holds the pending key: from now on it is the active one, which is recorded as an
   * event.
   */
  activate(device: string): void;
  discardPending(device: string): void;
  /** Every key of this reader, and who it said it was: thrown away, which is recorded as an event. */
  forget(device: string): void;
  saveIdentity(device: string, identity: string): void;
};

/**
 * A mistake or doubt found in a facility file before anything is opened. `path` is relative to the driver's own object.
 */
export type ConfigProblem = {
  severity: 'error' | 'warning';
  path: readonly (string | number)[];
  message: string;
  remedy: string;
};
