// Replies: where each goes, what of it is kept in the journal, and what of that is shown again.

import type { Clock } from '../domain/ports.ts';
import type { JournalRow, NewEntry } from '../store/journal.ts';
import type { Store } from '../store/store.ts';
import { errorJson } from './answers.ts';
import type { Incoming, Reply } from './incoming.ts';

/** Answers that a full disk did not take, of this process: after a restart the command counts as interrupted. */
const MOST_UNKEPT = 256;

export class Replies {
  readonly #unkept = new Map<string, string>();
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #replyTopicFor: (commandId: string) => string;

  constructor({ store, clock }: { store: Store; clock: Clock }, replyTopicFor: (commandId: string) => string) {
    this.#store = store;
    this.#clock = clock;
    this.#replyTopicFor = replyTopicFor;
  }

  /** Replies nobody has acknowledged yet, for the next connection. */
  undelivered(sinceMs: number, limit: number): Reply[] {
    const { journal } = this.#store;
    return journal.undelivered(sinceMs, limit).flatMap((row) => {
      const json = this.stored(row);
      return json === null
        ? []
        : [{ topic: row.reply_topic, commandId: row.command_id, json, correlation: row.correlation, isKept: true }];
    });
  }

  /** What was answered, as it may be shown again; null: it is not kept any more. */
  stored(row: JournalRow): string | null {
    const json = this.#store.journal.replyOf(row);
    if (json === null || row.code_shown_until === null || this.#clock.nowMs() < row.code_shown_until) return json;
    return hideCodes(json);
  }

  /** It was answered, and the journal could not keep that: the same is said again as long as this process lives. */
  holdUnkept(commandId: string, json: string): void {
    this.#unkept.set(commandId, json);
    const [oldest] = this.#unkept.keys();
    if (this.#unkept.size > MOST_UNKEPT && oldest !== undefined) this.#unkept.delete(oldest);
  }

  /** To a command that comes again and is not under way. */
  repeated(row: JournalRow): string {
    const json = row.state === 'done' ? this.stored(row) : this.#unkept.get(row.command_id);
    const message = 'what became of this command could not be kept; it is not repeated';
    return json ?? errorJson(row.command_id, { type: 'interrupted', message });
  }

  /** What the journal notes of a command as it comes in. */
  entryOf(incoming: Incoming, commandId: string, nowMs: number): Omit<NewEntry, 'digest' | 'command'> {
    return {
      commandId,
      receivedAtMs: nowMs,
      replyTopic: incoming.source === 'local' ? null : this.#topicOf(incoming, commandId),
      correlation: incoming.correlation,
    };
  }

  #topicOf(incoming: Incoming, commandId: string | null): string | null {
    if (incoming.responseTopic !== null && incoming.isResponseTopicAllowed) return incoming.responseTopic;
    return commandId === null ? null : this.#replyTopicFor(commandId);
  }

  /** `isKept`: until its receiver acknowledges it. */
  to(incoming: Incoming, commandId: string | null, json: string, isKept: boolean): Reply {
    return {
      topic: this.#topicOf(incoming, commandId),
      commandId,
      json,
      correlation: incoming.correlation,
      isKept: isKept && incoming.source === 'mqtt',
    };
  }
}

type WithCode = { acs_credential?: Code; access_method?: Code };
type Code = { code?: unknown };

/** The reply as it may be shown again once the time of its generated codes is over. */
function hideCodes(json: string): string {
  const reply = JSON.parse(json) as { result?: WithCode & { results?: WithCode[]; access_methods?: Code[] } };
  const holders = [reply.result, ...(reply.result?.results ?? [])];
  const shown = holders.flatMap((holder) => [holder?.acs_credential, holder?.access_method]);
  for (const holder of [...shown, ...(reply.result?.access_methods ?? [])])
    if (holder?.code !== undefined) holder.code = null;
  return JSON.stringify(reply);
}
