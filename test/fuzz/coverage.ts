// Which code an input comes to, as V8 itself counts it: an input that comes to code where none was before is worth
// keeping, for what it grows into comes further still.

import { Session, type Profiler } from 'node:inspector';

/** Only what is ours is counted. */
const OURS = /\/(src|drivers)\/.*\.ts$/;

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Map<string, Uint8Array>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** How many characters of code were run since the last time that never were before. */
  take(): number {
    let fresh = 0;
    // Answered in this very turn: the session is that of this thread.
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error !== null) throw error;
      for (const script of taken.result) if (OURS.test(script.url)) fresh += this.#add(script);
    });
    return fresh;
  }

  #add({ url, functions }: Profiler.ScriptCoverage): number {
    const length = Math.max(...functions.flatMap(({ ranges }) => ranges.map(({ endOffset }) => endOffset)));
    const known = this.#seen.get(url);
    const seen = known !== undefined && known.length >= length ? known : new Uint8Array(length);
    if (known !== undefined && known !== seen) seen.set(known);
    this.#seen.set(url, seen);
    const now = new Uint8Array(length);
    // Ranges lie in one another, the outer one first: the inner one knows better.
    for (const { ranges, isBlockCoverage } of functions)
      for (const { startOffset, endOffset, count } of ranges)
        if (isBlockCoverage || count > 0) now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    let fresh = 0;
    for (let at = 0; at < length; at++) {
      if (now[at] === 0 || seen[at] === 1) continue;
      seen[at] = 1;
      fresh++;
    }
    return fresh;
  }

  end(): void {
    this.#session.disconnect();
  }
}
