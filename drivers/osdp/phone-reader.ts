// A reader of the bus that phones speak through: when it is there its cards go through, what they prove is presented, and
// what a phone shows besides, a serial number that is made up at every tap, is passed over.

import { createHash } from 'node:crypto';
import { candidates, isRandomUid, type CardReading } from '../../src/domain/card-formats.ts';
import type { DriverContext, DriverEvent, Log } from '../driver.ts';
import type { ProofKeys } from './pkoc/proof.ts';
import type { OsdpReader } from './reader.ts';
import { Transparent } from './transparent.ts';

export class PhoneReader {
  readonly #transparent: Transparent;

  constructor(reader: OsdpReader, keys: ProofKeys, context: DriverContext, log: Log) {
    const { clock, random } = context;
    const device = reader.name;
    this.#transparent = new Transparent({
      line: {
        ask: (wire) => reader.ask(wire),
        await: (timeoutMs, pick) => reader.awaitReport('XRD', timeoutMs, pick),
        isOnline: () => reader.online,
      },
      clock,
      random,
      log: log.child({ device }),
      keys,
      // The same at every start, and another one at every reader.
      readerId: createHash('sha256').update(`lintel reader ${device}`).digest(),
      wantsToken: (key) => context.wantsToken?.(key) === true,
      proved: ({ key }, token, atMonotonicMs) =>
        context.emit({
          type: 'presented',
          device,
          reader: 0,
          presentation: { kind: 'mobile_key', key, ...(token === null ? {} : { token }) },
          atMonotonicMs,
        }),
      failed: (failure, atMonotonicMs) => {
        if (failure !== 'signature_invalid' && failure !== 'transaction_expired') return;
        const presentation = { kind: 'unproved', failure } as const;
        context.emit({ type: 'presented', device, reader: 0, presentation, atMonotonicMs });
      },
    });
  }

  /** Follows the reader's coming and going; true: nobody else needs to hear of this. */
  passesOver(event: DriverEvent): boolean {
    if (event.type === 'online') this.#transparent.start();
    if (event.type === 'offline') this.#transparent.stop();
    if (event.type !== 'presented' || event.presentation.kind !== 'card') return false;
    return isMadeUp(event.presentation.reading);
  }

  /** The bus ends: the reader reads by itself from now on. */
  async end(): Promise<void> {
    await this.#transparent.end();
  }
}

/** The serial number of a phone: four bytes that begin with 08, others at every tap. */
const isMadeUp = (reading: CardReading): boolean => candidates(reading, ['uid']).some(isRandomUid);
