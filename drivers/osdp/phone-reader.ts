// A reader of the bus that phones speak through: when it is there its cards go through, what they prove is presented, and
// what a phone shows besides, a serial number that is made up at every tap, is passed over.

import { createHash } from 'node:crypto';
import { candidates, isRandomUid, type CardReading } from '../../src/domain/card-formats.ts';
import type { DriverContext, DriverEvent, Log, Presentation } from '../driver.ts';
import type { CardField } from './card-field.ts';
import type { WireCommand } from './commands.ts';
import type { JobResult } from './jobs.ts';
import { MessageReader } from './message-reader.ts';
import type { ProofKeys } from './pkoc/proof.ts';
import type { OsdpReader } from './reader.ts';
import { Transparent } from './transparent.ts';

/** How a reader lets phones prove their keys: it gives its field to us, or speaks to them itself. */
type Way = { start(): void; stop(): void };

export type PhonePorts = { field: CardField; keys: ProofKeys; context: DriverContext; log: Log };

export class PhoneReader {
  readonly #way: Way;

  /** `messages`: the text by which it hands over what cards signed; null: it is in transparent mode. */
  constructor(reader: OsdpReader, messages: '1.50' | '1.63' | null, { field, keys, context, log }: PhonePorts) {
    const { clock, random } = context;
    const device = reader.name;
    const present = (presentation: Presentation, atMonotonicMs: number): void =>
      context.emit({ type: 'presented', device, reader: 0, presentation, atMonotonicMs });
    const common = {
      clock,
      random,
      log: log.child({ device }),
      keys,
      // The same at every start, and another one at every reader.
      readerId: createHash('sha256').update(`lintel reader ${device}`).digest(),
    };
    const ask = (wire: WireCommand): Promise<JobResult> => reader.ask(wire);
    const isOnline = (): boolean => reader.online;
    this.#way =
      messages !== null
        ? new MessageReader({
            ...common,
            line: {
              ask,
              connection: () => reader.station.link.connection,
              await: (timeoutMs, pick, over) => reader.awaitReport('MFGREP', timeoutMs, pick, over),
            },
            version: messages,
            proved: (key, atMonotonicMs) => present({ kind: 'mobile_key', key }, atMonotonicMs),
            failed: (failure, atMonotonicMs) => present({ kind: 'unproved', failure }, atMonotonicMs),
          })
        : new Transparent({
            ...common,
            field,
            isOnline,
            wantsToken: (key) => context.wantsToken?.(key, device) === true,
            proved: ({ key }, token, atMonotonicMs) =>
              present({ kind: 'mobile_key', key, ...(token === null ? {} : { token }) }, atMonotonicMs),
            failed: (failure, atMonotonicMs) => {
              if (failure === 'signature_invalid' || failure === 'transaction_expired')
                present({ kind: 'unproved', failure }, atMonotonicMs);
              else common.log.info('a phone, or a card with a key, did not come to prove it', { failure });
            },
          });
  }

  /** Follows the reader's coming and going; true: nobody else needs to hear of this. */
  passesOver(event: DriverEvent): boolean {
    if (event.type === 'online') this.#way.start();
    if (event.type === 'offline') this.#way.stop();
    if (event.type !== 'presented' || event.presentation.kind !== 'card') return false;
    return isMadeUp(event.presentation.reading);
  }

  /** The bus ends: nobody is spoken to any more. */
  end(): void {
    this.#way.stop();
  }
}

/** The serial number of a phone: four bytes that begin with 08, others at every tap. */
const isMadeUp = (reading: CardReading): boolean => candidates(reading, ['uid']).some(isRandomUid);
