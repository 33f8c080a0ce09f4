// What wants which mode of which entrance, as rows: the word of a command or of an input holds over restarts. Each is
// sealed, for a row that was written by somebody else could leave a door open.

import { storedJson } from './stored-json.ts';
import { isMode, type ModeSource } from '../domain/modes.ts';
import type { Db } from './db.ts';
import type { Sealer } from './seal.ts';

type Row = {
  place: string;
  kind: ModeSource['kind'];
  origin: string;
  mode: string;
  until: number | null;
  since: number;
  command: string | null;
  seal: Buffer;
};

export class ModeSources {
  readonly #sealer: Sealer;
  readonly #all;
  readonly #put;
  readonly #delete;

  constructor(db: Db, sealer: Sealer) {
    this.#sealer = sealer;
    this.#all = db.prepare<[], Row>('SELECT * FROM mode_sources');
    this.#put = db.prepare<[Row]>(
      'INSERT OR REPLACE INTO mode_sources VALUES (:place, :kind, :origin, :mode, :until, :since, :command, :seal)',
    );
    this.#delete = db.prepare<[string, string, string]>(
      'DELETE FROM mode_sources WHERE place = ? AND kind = ? AND origin = ?',
    );
  }

  /** `foreign`: rows that were not written by us, and want nothing. */
  all(): { sources: ModeSource[]; foreign: string[] } {
    const sources: ModeSource[] = [];
    const foreign: string[] = [];
    for (const row of this.#all.all()) {
      const { place, kind, origin, mode, until, since } = row;
      if (isMode(mode) && this.#sealer.holds('mode', sealedOf(row), row.seal))
        sources.push({ place, kind, origin, mode, untilMs: until, sinceMs: since, command: commandOf(row.command) });
      else foreign.push(`${place} ${kind} ${origin}`);
    }
    return { sources, foreign };
  }

  put({ place, kind, origin, mode, untilMs, sinceMs, command }: ModeSource): void {
    const row = { place, kind, origin, mode, until: untilMs, since: sinceMs, command: JSON.stringify(command) };
    this.#put.run({ ...row, seal: this.#sealer.seal('mode', sealedOf(row)) });
  }

  delete({ place, kind, origin }: Pick<ModeSource, 'place' | 'kind' | 'origin'>): void {
    this.#delete.run(place, kind, origin);
  }
}

const sealedOf = ({ place, kind, origin, mode, until, since }: Omit<Row, 'seal' | 'command'>) =>
  [place, kind, origin, mode, until, since] as const;

const commandOf = (text: string | null): ModeSource['command'] => storedJson(text) as ModeSource['command'];
