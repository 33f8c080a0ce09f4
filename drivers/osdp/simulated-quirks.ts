// How real readers differ from the specification and from one another, as switches of the simulated one (fact sheet
// sections 7 and 9.6).

import { SCS } from './frame.ts';

/** How this reader differs from the well-behaved one. */
export type Quirks = {
  /** Marks before each answer. */
  marks: number;
  /** Answers a checksum command with a CRC. */
  alwaysCrc: boolean;
  /** Answers nothing that comes with a CRC, or nothing that comes with a checksum. */
  understands: 'both' | 'checksum' | 'crc';
  /** Says in its capabilities that it knows no CRC. */
  hidesCrc: boolean;
  /** NAK 04 for a challenge that is not numbered 0. */
  strictChallenge: boolean;
  /** Acknowledges a new key in the clear. */
  clearKeysetAck: boolean;
  /** Goes on with the session after a new key. */
  keepsSessionAfterKeyset: boolean;
  /** Acknowledges a new key and does not take it. */
  forgetsNewKey: boolean;
  /** Answers a challenge as one that knows no Secure Channel: NAK 03, or ACK as to anything. */
  challengeAnswer: 'cryptogram' | 'nak' | 'ack';
  /** Status byte and block type of RMAC_I. */
  rmacStatus: number;
  rmacBlock: number;
  /** Encrypts answers that have no data: a block of nothing but padding. */
  encryptsNothing: boolean;
  /** Asked for the default key outside install mode: offers its own key, or says NAK. */
  defaultKeyRefusal: 'offers_own' | 'nak';
  /** Answers OUT with the state of its outputs. */
  outAnswersState: boolean;
  /** Answers a status command with ACK and reports with the next poll. */
  statusLater: boolean;
  /** NAK 01 to a smart card command it does not know. */
  badCheckForXwr: boolean;
  /** Counts two sentinels more in the length of formatted card text. */
  longFmt: boolean;
  /** Sends card bits right-justified. */
  rightJustified: boolean;
  /** Says nothing to ID until it was polled. */
  idNeedsPoll: boolean;
  /** Says nothing to a challenge until it was asked who it is. */
  challengeNeedsId: boolean;
  /** The number in BUSY. */
  busySequence: number;
  /** Any damaged frame on the line ends its session. */
  dropsSessionOnNoise: boolean;
  /** Refuses clear commands but the few that a handshake needs, once it has a key. */
  enforcesSecurity: boolean;
  /** Drops the session on a wrong MAC: with NAK 06, or without a word. */
  badMacAnswer: 'nak' | 'silence';
  /** Sends status replies under the block type of commands, and not encrypted. */
  statusUnderScs15: boolean;
  /** Refuses LED records whose times are both 0. */
  strictLed: boolean;
  /** Answers a damaged frame with NAK 1, and goes on with its session. */
  nakBadCheck: boolean;
  /** What it says to a clear frame inside a session, which ends then: NAK 6, or NAK 5. */
  clearInSession: 'nak_6' | 'nak_5';
  /** In the clear, also inside a session, it answers who it is and what it can do, and takes COMSET. */
  tellsInClear: boolean;
  /** To 0x7F it answers only ID, CAP and COMSET. */
  strictBroadcast: boolean;
  /** NAK 2 to what is longer than its buffer. */
  refusesTooLong: boolean;
};

export const WELL_BEHAVED: Quirks = {
  marks: 1,
  alwaysCrc: false,
  understands: 'both',
  hidesCrc: false,
  strictChallenge: false,
  clearKeysetAck: false,
  keepsSessionAfterKeyset: false,
  forgetsNewKey: false,
  challengeAnswer: 'cryptogram',
  rmacStatus: 1,
  rmacBlock: SCS._14,
  encryptsNothing: false,
  defaultKeyRefusal: 'offers_own',
  outAnswersState: false,
  statusLater: false,
  badCheckForXwr: false,
  longFmt: false,
  rightJustified: false,
  idNeedsPoll: false,
  challengeNeedsId: false,
  busySequence: 0,
  dropsSessionOnNoise: true,
  enforcesSecurity: true,
  badMacAnswer: 'nak',
  statusUnderScs15: false,
  strictLed: true,
  nakBadCheck: false,
  clearInSession: 'nak_6',
  tellsInClear: false,
  strictBroadcast: false,
  refusesTooLong: false,
};

/** As the descriptions of the public test programme ask of a reader. */
export const STRICT: Partial<Quirks> = {
  strictChallenge: false,
  keepsSessionAfterKeyset: true,
  dropsSessionOnNoise: false,
  strictLed: true,
  nakBadCheck: true,
  clearInSession: 'nak_5',
  tellsInClear: true,
  strictBroadcast: true,
  refusesTooLong: true,
};
