// What a card or code would do at a reader, step by step; and, where the reader is a simulated one, really showing it
// there.

import type { Reply } from '../commands/incoming.ts';
import { OperatingError } from '../domain/errors.ts';
import { quoted } from '../domain/outside-text.ts';
import type { Clock } from '../domain/ports.ts';
import type { Site, SiteEntrance } from '../domain/site.ts';
import { didYouMean } from '../domain/words.ts';
import type { ControlRequest } from '../ops/control-protocol.ts';
import { eventJson } from '../store/events.ts';
import type { Store } from '../store/store.ts';
import { SLICE } from './event-stream.ts';

export type Presented = { card: string } | { code: string };
/**
 * Shows a card or code to a simulated reader or controller; throws an OperatingError when there is none of that name,
 * or it cannot read such a thing. Resolves with what a device that decides for itself made of it; null: the decision is
 * the agent's.
 */
export type Presenter = (device: string, what: Presented) => Promise<string | null>;

export type SwipeOptions = {
  clock: Clock;
  dispatch: (resource: string, verb: string, envelope: unknown) => Promise<Reply>;
  presenter: Presenter | null;
};

/** How long a presentation has to become a decision: the longest frame at 9,600 baud, a slow bus, and room. */
const DECISION_MS = 3_000;
/** As for `card_number` over MQTT. */
const MOST_PRESENTED = 200;

export class Swipe {
  readonly #options: SwipeOptions;

  constructor(options: SwipeOptions) {
    this.#options = options;
  }

  /**
   * `{entrance | reader, card | code, card_format?, present?}`: answers `{entrance, reader, reply}` with the reply of
   * `entrances/explain`; with `present` it really shows the card or code to the (simulated) reader and answers
   * `{entrance, reader, said, event}`: what the device said of it, and the event of the decision, null when none came.
   */
  async answer(store: Store, site: Site, request: ControlRequest): Promise<unknown> {
    const { entrance, reader } = this.#place(site, request);
    const where = { entrance: entrance.name, display_name: entrance.displayName, reader };
    const { card, code, card_format: cardFormat } = request;
    if ((typeof card === 'string') === (typeof code === 'string'))
      throw new OperatingError('invalid_input', 'give either a card or a code');
    if ([card, code].some((text) => typeof text === 'string' && text.length > MOST_PRESENTED))
      throw new OperatingError('invalid_input', `a card or code has at most ${MOST_PRESENTED} characters`);
    if (request['present'] === true) {
      const what = typeof card === 'string' ? { card } : { code: String(code) };
      return { ...where, ...(await this.#present(store, site, entrance, reader, what)) };
    }
    const params = {
      acs_entrance_id: entrance.acsEntranceId,
      ...(typeof card === 'string' ? { card_number: card } : { code }),
      ...(reader === null ? {} : { reader }),
      ...(typeof cardFormat === 'string' ? { card_format: cardFormat } : {}),
    };
    const { sender } = request;
    const stated = typeof sender === 'string' ? { sender } : {};
    const reply = await this.#options.dispatch('entrances', 'explain', { command_id: 'swipe', ...stated, params });
    return { ...where, reply: JSON.parse(reply.json) as unknown };
  }

  #place(site: Site, request: ControlRequest): { entrance: SiteEntrance; reader: string | null } {
    const { entrance: name, reader } = request;
    if ((typeof name === 'string') === (typeof reader === 'string'))
      throw new OperatingError('invalid_input', 'give either an entrance or a reader');
    if (typeof reader === 'string') {
      const [found, ...others] = site.entrances.filter((entrance) => entrance.readers.includes(reader));
      if (found !== undefined && others.length > 0 && request['present'] !== true)
        throw new OperatingError(
          'invalid_input',
          `${reader} is in the cabin of ${found.lift?.name ?? 'a lift'}, and each floor is decided about by itself: give one of them as the entrance: ${[found, ...others].map(({ name: floor }) => floor).join(', ')}`,
        );
      if (found !== undefined) return { entrance: found, reader };
      throw unknownName(
        'reader',
        reader,
        site.entrances.flatMap((entrance) => entrance.readers),
        'acs_encoder_not_found',
      );
    }
    const wanted = String(name);
    const found =
      site.byId(wanted.toLowerCase()) ??
      site.entrances.find((entrance) => entrance.name === wanted || entrance.displayName === wanted);
    if (found !== undefined) return { entrance: found, reader: found.readers[0] ?? null };
    throw unknownName(
      'entrance',
      wanted,
      site.entrances.map((entrance) => entrance.name),
      'acs_entrance_not_found',
    );
  }

  async #present(
    store: Store,
    site: Site,
    entrance: SiteEntrance,
    reader: string | null,
    what: Presented,
  ): Promise<{ said: string | null; event: unknown }> {
    const { presenter } = this.#options;
    const place = reader ?? entrance.controller ?? entrance.name;
    if (presenter === null)
      throw new OperatingError(
        'not_supported',
        `${place} is a real reader, and only a hand can show it a card: leave out --present to see what would happen, or present to a simulator with --simulator PATH`,
      );
    const before = store.events.lastSequence();
    const said = await presenter(place, what);
    const endsAtMs = this.#options.clock.monotonicMs() + DECISION_MS;
    const shownAt = reader === null ? [entrance] : site.entrances.filter(({ readers }) => readers.includes(reader));
    const ids = new Set(shownAt.map(({ acsEntranceId }) => acsEntranceId));
    for (;;) {
      const event = decisionBehind(store, before, ids);
      if (event !== null || this.#options.clock.monotonicMs() >= endsAtMs) return { said, event };
      await new Promise<void>((resolve) => this.#options.clock.after(20, resolve));
    }
  }
}

const DECISIONS = new Set(['lock.unlocked', 'lock.access_denied']);

function decisionBehind(store: Store, sequence: number, acsEntranceIds: ReadonlySet<unknown>): unknown {
  for (const stored of store.events.after(sequence, SLICE)) {
    if (!DECISIONS.has(stored.event_type)) continue;
    const event: unknown = JSON.parse(eventJson(stored));
    if (
      typeof event === 'object' &&
      event !== null &&
      'acs_entrance_id' in event &&
      acsEntranceIds.has(event.acs_entrance_id)
    )
      return event;
  }
  return null;
}

function unknownName(
  kind: string,
  name: string,
  known: readonly string[],
  type: 'acs_entrance_not_found' | 'acs_encoder_not_found',
): OperatingError {
  return new OperatingError(type, `there is no ${kind} ${quoted(name)}: ${didYouMean(name, known)}`);
}
