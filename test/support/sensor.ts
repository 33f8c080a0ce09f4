// A sensor for fingers that only notes what it is asked, and tells what a test puts on it: the same bytes are the same
// finger.

import type {
  BiometricDevice,
  BiometricMatch,
  BiometricReading,
  BiometricTemplate,
  BiometricTerms,
} from '../../src/domain/biometrics.ts';
import { OperatingError } from '../../src/domain/errors.ts';

type Asked = {
  what: 'read' | 'match';
  enrolled: BiometricTemplate | null;
  read: (reading: BiometricReading) => void;
  match: (match: BiometricMatch) => void;
  fail: (error: OperatingError) => void;
};

export class TestSensor implements BiometricDevice {
  terms: BiometricTerms = { type: 'unspecified', format: 'default', threshold: 128, quality: 50, presentMs: 10_000 };
  whyNot: string | null = null;
  /** Every question so far: what was asked, and with which template. */
  readonly heard: string[] = [];
  #asked: Asked | null = null;

  get isWaiting(): boolean {
    return this.#asked !== null;
  }

  problem(): string | null {
    return this.whyNot;
  }

  async read(_reader: number, type: string, _timeoutMs: number, over: AbortSignal): Promise<BiometricReading> {
    this.heard.push(`read ${type}`);
    return await new Promise((read, fail) =>
      this.#ask({ what: 'read', enrolled: null, read, match: ignore, fail }, over),
    );
  }

  async match(
    _reader: number,
    enrolled: BiometricTemplate,
    _timeoutMs: number,
    over: AbortSignal,
  ): Promise<BiometricMatch> {
    this.heard.push(`match ${enrolled.template.toString()}`);
    return await new Promise((match, fail) => this.#ask({ what: 'match', enrolled, read: ignore, match, fail }, over));
  }

  #ask(asked: Asked, over: AbortSignal): void {
    if (over.aborted) asked.fail(OVER);
    else {
      this.#asked = asked;
      over.addEventListener('abort', () => {
        if (this.#asked === asked) this.#asked = null;
        asked.fail(OVER);
      });
    }
  }

  /** Puts a finger there, with what follows from it done when this resolves. `score`: in place of 255 or 0. */
  async touch(finger: string, { quality = 90, score }: { quality?: number; score?: number } = {}): Promise<void> {
    const asked = this.#take();
    const template = Buffer.from(finger);
    const own = asked.enrolled?.template.equals(template) === true ? 255 : 0;
    if (asked.what === 'read') asked.read({ outcome: 'read', quality, template });
    else asked.match({ outcome: 'compared', score: score ?? own });
    await settled();
  }

  /** Nobody came; or the reader could not read what was there. */
  async give(outcome: 'nothing' | 'unreadable'): Promise<void> {
    const asked = this.#take();
    if (asked.what === 'read') asked.read({ outcome });
    else asked.match({ outcome });
    await settled();
  }

  async fail(error: OperatingError): Promise<void> {
    this.#take().fail(error);
    await settled();
  }

  #take(): Asked {
    const asked = this.#asked;
    if (asked === null) throw new Error('nobody is asked for a finger');
    this.#asked = null;
    return asked;
  }
}

const OVER = new OperatingError('interrupted', 'nobody waits for the finger any more');
const ignore = (): undefined => undefined;

/** What follows from a promise that is settled, and from what follows from that. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
