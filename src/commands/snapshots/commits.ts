// Commits of snapshots under way: who waits for them, what becomes of them at a stop, and how one of an earlier run goes
// on at the start.

import { carryOut } from '../carry-out.ts';
import type { Answerer, Failure, Incoming, Reply } from '../incoming.ts';
import { flushWhatGoes } from '../no-room.ts';
import type { Parsed } from '../intake.ts';
import type { Room, Work } from '../room.ts';
import { SnapshotGate } from './gate.ts';
import { commitWork } from './snapshots.ts';
import { Stopping } from './staged.ts';

const COMMIT = 'facility/commit_snapshot';

export type CommitPorts = {
  isStopping: () => boolean;
  dispatch: (incoming: Incoming, answer: Answerer, failed: Failure) => Promise<void> | 'held' | null;
  /** Answers everybody who waits for this command. */
  answer: (commandId: string, json: string, isKept: boolean) => void;
  /** Sends the reply to a command of an earlier run. */
  replyLate: (reply: Reply) => void;
};

export class Commits {
  readonly #room: Room;
  readonly #ports: CommitPorts;
  readonly #gate: SnapshotGate;

  constructor(room: Room, ports: CommitPorts) {
    this.#room = room;
    this.#ports = ports;
    this.#gate = new SnapshotGate(room.store);
  }

  /** Null: the command waits for nobody. */
  wait(incoming: Incoming, parsed: Parsed, answer: Answerer, failed: Failure): Promise<void> | null {
    if (!this.#gate.mustWait(parsed)) return null;
    return this.#gate.wait(parsed, async () => {
      try {
        await this.#goOn(incoming, answer, failed);
      } catch (error) {
        // Whoever waits behind it is none the worse for it: it is not acknowledged, and comes again.
        failed(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  async #goOn(incoming: Incoming, answer: Answerer, failed: Failure): Promise<void> {
    const { dispatch, isStopping } = this.#ports;
    if (isStopping()) throw new Error('stopping: the command comes again');
    const waiting = dispatch(incoming, answer, failed);
    if (waiting === 'held') throw new Error('held back');
    if (waiting === null) flushWhatGoes(this.#room.store);
    else await waiting;
  }

  /** Accepted from here on; null: it is another command. */
  begin(name: string): (() => void) | null {
    return name === COMMIT ? this.#gate.shut() : null;
  }

  /** A stop leaves it as it stands: it goes on, and is answered, at the next start. */
  async run(commandId: string, work: Work, open: () => void, answer?: (json: string) => void): Promise<void> {
    const { answer: answerAll } = this.#ports;
    try {
      const done = await work();
      const kept = (): Promise<typeof done> => Promise.resolve(done);
      await carryOut(this.#room, { commandId, name: COMMIT }, kept, (json, isKept) => {
        answer?.(json);
        answerAll(commandId, json, isKept);
      });
    } catch (error) {
      if (error instanceof Stopping) return;
      throw error;
    } finally {
      open();
    }
  }

  /** The snapshot of an earlier run goes on; `running` is told of which command. */
  recover(running: (commandId: string) => void): void {
    const { store } = this.#room;
    const commandId = store.snapshots.present()?.command_id ?? null;
    const row = commandId === null ? undefined : store.journal.get(commandId);
    if (commandId === null || row?.state !== 'accepted') return;
    running(commandId);
    const { replyLate, isStopping } = this.#ports;
    void this.run(commandId, commitWork(this.#room, isStopping), this.#gate.shut(), (json) => {
      replyLate({ topic: row.reply_topic, commandId, json, correlation: row.correlation, isKept: true });
    });
  }
}
