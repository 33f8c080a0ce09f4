// A smart card that lies at a simulated reader, and the long messages that it answers: in parts, as a reader sends them
// with its polls.

import type { DecodedCommand } from './commands.ts';
import { fragmentsOf, MultipartAssembler } from './multipart.ts';
import { reply } from './replies.ts';
import type { WireReply } from './replies.ts';

const LONGEST_BYTES = 16 * 1024;

export class SimulatedCard {
  /** Its objects by name, in hexadecimal digits: 5FC102. */
  readonly objects = new Map<string, Buffer>();
  /** What it answers to GENERAL AUTHENTICATE and to a challenge; null: it refuses. */
  sign: (algorithm: number, key: number, data: Buffer) => Buffer | null = () => null;
  /** How many bytes name its key. */
  keyBytes = 1;
  /** How much of an answer goes into one part. */
  partBytes = 64;
  /** Parts that are lost, by their place in the answer. */
  readonly losesParts = new Set<number>();
  /** How long it was told to keep the card in its field, ms. */
  keptMs = 0;
  readonly #assembler = new MultipartAssembler(LONGEST_BYTES);

  /** The parts of its answer, for the polls to come; [] where more is to come first, null where it refuses. */
  answer(command: DecodedCommand<'PIVDATA' | 'GENAUTH' | 'CRAUTH'>): WireReply[] | null {
    if (command.name === 'PIVDATA') {
      const { objectId, offset } = command.fields;
      const object = this.objects.get(objectId.toString('hex').toUpperCase());
      const from = offset.length === 2 ? offset.readUInt16LE(0) : offset.readUInt8(0);
      return object === undefined ? null : this.#parts('PIVDATAR', object.subarray(from));
    }
    const step = this.#assembler.accept(command.fields);
    if (step.step !== 'complete') return step.step === 'more' ? [] : null;
    if (step.content.length < 1 + this.keyBytes) return null;
    const key = step.content.readUIntBE(1, this.keyBytes);
    const signed = this.sign(step.content.readUInt8(0), key, step.content.subarray(1 + this.keyBytes));
    return signed === null ? null : this.#parts(command.name === 'GENAUTH' ? 'GENAUTHR' : 'CRAUTHR', signed);
  }

  #parts(name: 'PIVDATAR' | 'GENAUTHR' | 'CRAUTHR', content: Buffer): WireReply[] {
    const parts = fragmentsOf(content, this.partBytes).map((fragment) => reply(name, fragment));
    return parts.filter((_, place) => !this.losesParts.has(place));
  }
}
