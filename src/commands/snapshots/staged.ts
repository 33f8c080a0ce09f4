// The items of a snapshot as they are staged, page by page, with what keeps a long look at them from holding up a door.

import { assert } from '../../domain/errors.ts';
import type { PageInfo } from '../../store/snapshots.ts';
import type { SnapshotCommand } from '../contract/snapshots.ts';
import type { Room } from '../room.ts';
import type { Item } from './items.ts';

const SLICE_MS = 2;
/** Whatever the clock says. */
const MOST_PER_SLICE = 256;

/** Thrown where the process is being stopped; what is under way goes on at the next start. */
export class Stopping extends Error {}

/** Lets everything else have its turn now and then. */
export class Turns {
  readonly #clock: Room['clock'];
  readonly #isStopping: () => boolean;
  #startedMs: number;
  #looks = 0;

  constructor({ clock }: Pick<Room, 'clock'>, isStopping: () => boolean) {
    this.#clock = clock;
    this.#isStopping = isStopping;
    this.#startedMs = clock.monotonicMs();
  }

  /** Asked behind every step: true once this turn has lasted as long as it may. */
  isOver(): boolean {
    this.#looks += 1;
    return this.#looks > MOST_PER_SLICE || this.#clock.monotonicMs() - this.#startedMs >= SLICE_MS;
  }

  async take(): Promise<void> {
    if (this.isOver()) await this.next();
  }

  async next(): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.immediate(resolve));
    if (this.#isStopping()) throw new Stopping('stopping: the snapshot goes on at the next start');
    this.#startedMs = this.#clock.monotonicMs();
    this.#looks = 0;
  }
}

export class StagedItems {
  readonly pages: readonly PageInfo[];
  readonly #room: Room;
  readonly #snapshotId: string;
  #open: { page: number; items: readonly Item[] } | null = null;

  constructor(room: Room, snapshotId: string) {
    this.#room = room;
    this.#snapshotId = snapshotId;
    this.pages = room.store.snapshots.pages();
  }

  /** Of one page, in its order; the last page that was asked for is kept at hand. */
  of(page: number): readonly Item[] {
    if (this.#open?.page === page) return this.#open.items;
    const content = this.#room.store.snapshots.content(this.#snapshotId, page);
    assert(content !== undefined, 'a page that is listed is there');
    const items = itemsIn(content);
    this.#open = { page, items };
    return items;
  }

  /** Pages that hold one of these commands. */
  with(commands: readonly SnapshotCommand[]): number[] {
    return this.pages
      .filter((info) => info.commands.split(' ').some((one) => commands.some((command) => command === one)))
      .map(({ page }) => page);
  }

  /** Every item of these commands, page by page. */
  async each(
    commands: readonly SnapshotCommand[],
    turns: Turns,
    look: (item: Item, page: number, position: number) => void,
  ): Promise<void> {
    for (const page of this.with(commands)) {
      for (const [position, item] of this.of(page).entries()) {
        if (commands.includes(item.command)) look(item, page, position);
        await turns.take();
      }
    }
  }
}

/** As a page is kept: keys of phones are bytes, and JSON knows none. */
export const pageText = (items: readonly Item[]): string =>
  JSON.stringify(
    items.map((item) =>
      item.command === 'credentials/enroll_phone'
        ? { ...item, params: { ...item.params, public_key: item.params.public_key.toString('hex') } }
        : item,
    ),
  );

type Kept = Item | { command: 'credentials/enroll_phone'; params: { public_key: string } };

const itemsIn = (text: string): Item[] =>
  (JSON.parse(text) as Kept[]).map((kept) =>
    kept.command === 'credentials/enroll_phone'
      ? ({
          ...kept,
          params: { ...kept.params, public_key: Buffer.from(String(kept.params.public_key), 'hex') },
        } as Item)
      : kept,
  );
