// Files on their way to a device, put together from the pieces that a line of the control socket can carry. In memory,
// few and bounded: what nobody goes on with is forgotten.

import { OperatingError } from '../../src/domain/errors.ts';
import type { Clock, Timer } from '../../src/domain/ports.ts';

const MAX_FILE_BYTES = 16 * 1024 * 1024;
const MOST_AT_ONCE = 4;
const KEPT_MS = 60_000;

type Upload = { parts: Buffer[]; bytes: number; timer: Timer };

export class Uploads {
  readonly #clock: Clock;
  readonly #uploads = new Map<string, Upload>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds the piece at `offset`; `id` null begins a new upload. Gives the upload's id. */
  add(id: string | null, offset: number, part: Buffer): string {
    if (id === null && this.#uploads.size >= MOST_AT_ONCE)
      throw new OperatingError('not_permitted', `more than ${MOST_AT_ONCE} files at once: try again in a minute`);
    const upload = id === null ? { parts: new Array<Buffer>(), bytes: 0, timer: null } : this.#get(id);
    if (offset !== upload.bytes)
      throw new OperatingError('invalid_input', `the next piece begins at ${upload.bytes}, not at ${offset}`);
    if (part.length === 0) throw new OperatingError('invalid_input', '`data` is empty: a piece has at least one byte');
    if (upload.bytes + part.length > MAX_FILE_BYTES)
      throw new OperatingError('invalid_input', `a file may have at most ${MAX_FILE_BYTES} bytes`);
    const name = id ?? String(++this.#lastId);
    upload.timer?.cancel();
    upload.parts.push(part);
    const timer = this.#clock.after(KEPT_MS, () => this.#uploads.delete(name));
    this.#uploads.set(name, { parts: upload.parts, bytes: upload.bytes + part.length, timer });
    return name;
  }

  /** The whole file; the upload is over. */
  take(id: string): Buffer {
    const { parts, timer } = this.#get(id);
    timer.cancel();
    this.#uploads.delete(id);
    return Buffer.concat(parts);
  }

  #get(id: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload !== undefined) return upload;
    throw new OperatingError('invalid_input', 'there is no such upload (any more): send the file again');
  }
}
