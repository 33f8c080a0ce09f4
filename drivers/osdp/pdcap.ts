// What a reader says it can do (PDCAP, fact sheet section 4). Records come in any order, repeated or unknown. Nothing
// here decides whether Secure Channel is required: a reader that could be asked that in the clear could also be
// impersonated.

import type { CapRecord } from './replies.ts';

export const CAP = {
  contactStatus: 1,
  output: 2,
  cardFormat: 3,
  led: 4,
  audible: 5,
  text: 6,
  timeKeeping: 7,
  checkCharacters: 8,
  security: 9,
  receiveBuffer: 10,
  largestMessage: 11,
  smartCard: 12,
  readers: 13,
  biometrics: 14,
  securePin: 15,
  version: 16,
  extendedId: 17,
} as const;

export type PdCapabilities = {
  inputs: number;
  outputs: number;
  leds: number;
  buzzer: boolean;
  textDisplays: number;
  crc: boolean;
  aes128: boolean;
  /** The largest frame the reader takes; at least 128, for every reader takes that. */
  receiveBufferBytes: number;
  /** The longest message in parts; 0: it did not say. */
  largestMessageBytes: number;
  transparentMode: boolean;
  /** Null: it did not say. */
  extendedPackets: boolean | null;
  biometrics: boolean;
  /** PINs of cards are typed at the reader and go nowhere else; null: it did not say. */
  securePin: boolean | null;
  extendedId: boolean;
  /** It says that it follows a version that knows keys of one byte only. */
  isBeforeExtendedKeys: boolean;
  /** What it follows, for people. */
  version: string;
  records: readonly CapRecord[];
};

const VERSIONS: Readonly<Record<number, string>> = {
  0: 'unspecified, older than IEC 60839-11-5',
  1: 'IEC 60839-11-5',
  2: 'SIA OSDP 2.2',
  3: 'SIA OSDP 2.2.2',
  4: 'SIA OSDP 2.2.3',
};

/** IEC 60839-11-5 and SIA OSDP 2.2; the next one is 2.2.2. */
const BEFORE_EXTENDED_KEYS: readonly number[] = [1, 2];

/** The smallest receive buffer a reader may have, and what it assumes of us until told otherwise. */
export const SMALLEST_BUFFER_BYTES = 128;

export function readCapabilities(records: readonly CapRecord[]): PdCapabilities {
  const of = (fn: number): CapRecord | undefined => records.find((record) => record.function === fn);
  const number = (fn: number): number => of(fn)?.number ?? 0;
  const compliance = (fn: number): number => of(fn)?.compliance ?? 0;
  return {
    inputs: compliance(CAP.contactStatus) === 0 ? 0 : number(CAP.contactStatus),
    outputs: compliance(CAP.output) === 0 ? 0 : number(CAP.output),
    leds: compliance(CAP.led) === 0 ? 0 : number(CAP.led),
    buzzer: compliance(CAP.audible) !== 0,
    textDisplays: compliance(CAP.text) === 0 ? 0 : number(CAP.text),
    crc: compliance(CAP.checkCharacters) !== 0,
    aes128: (compliance(CAP.security) & 1) !== 0,
    receiveBufferBytes: Math.max(
      SMALLEST_BUFFER_BYTES,
      compliance(CAP.receiveBuffer) | (number(CAP.receiveBuffer) << 8),
    ),
    largestMessageBytes: compliance(CAP.largestMessage) | (number(CAP.largestMessage) << 8),
    extendedPackets: of(CAP.smartCard) === undefined ? null : (compliance(CAP.smartCard) & 2) !== 0,
    transparentMode: (compliance(CAP.smartCard) & 1) !== 0,
    biometrics: compliance(CAP.biometrics) !== 0,
    securePin: of(CAP.securePin) === undefined ? null : (compliance(CAP.securePin) & 1) !== 0,
    extendedId: compliance(CAP.extendedId) !== 0,
    isBeforeExtendedKeys: BEFORE_EXTENDED_KEYS.includes(compliance(CAP.version)),
    version: VERSIONS[compliance(CAP.version)] ?? `version ${compliance(CAP.version)} of its own`,
    records,
  };
}

/** What is configured beyond what the reader says that it has, for people; null: nothing. */
export function fewerTerminals(
  { inputs, outputs }: { inputs: number; outputs: number },
  pd: Pick<PdCapabilities, 'inputs' | 'outputs'>,
): string | null {
  const short = [
    ...(inputs > pd.inputs ? [`${inputs} inputs are configured and it says that it has ${pd.inputs}`] : []),
    ...(outputs > pd.outputs ? [`${outputs} outputs are configured and it says that it has ${pd.outputs}`] : []),
  ];
  return short.length > 0 ? short.join('; ') : null;
}
