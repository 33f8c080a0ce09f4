// The figures of an agent for Prometheus. All of them are read when somebody asks: nothing is counted in between, so that
// whoever does not ask pays nothing, and what is there no more is told no more.

import { Counter, Gauge, Registry } from 'prom-client';
import { fieldsIn, isFields, plainText, type Fields } from '../domain/fields.ts';
import type { Measured, Measures } from './measures.ts';

type Labels = Readonly<Record<string, string>>;

export class Metrics {
  readonly #measured: Measured;
  readonly #facility: string;
  /** Events by type since the start. */
  readonly #events = new Map<string, number>();
  #countedUpTo: number;

  constructor(measured: Measured, facility: string) {
    this.#measured = measured;
    this.#facility = facility;
    this.#countedUpTo = measured.lastSequence();
  }

  /** In the text format of Prometheus, and its content type. */
  async text(): Promise<{ type: string; text: string }> {
    const figures = new Figures(this.#facility);
    this.#countEvents();
    for (const [event_type, count] of this.#events)
      figures.count('lintel_events_total', 'Events recorded since the start, by type.', count, { event_type });
    tell(figures, this.#measured.read());
    return { type: figures.registry.contentType, text: await figures.registry.metrics() };
  }

  #countEvents(): void {
    const { upTo, counts } = this.#measured.eventsSince(this.#countedUpTo);
    this.#countedUpTo = upTo;
    for (const [type, count] of counts) this.#events.set(type, (this.#events.get(type) ?? 0) + count);
  }
}

/** The figures of one answer. What is no number or yes and no is left out. */
class Figures {
  readonly registry = new Registry();
  readonly #gauges = new Map<string, Gauge>();
  readonly #counters = new Map<string, Counter>();

  constructor(facility: string) {
    this.registry.setDefaultLabels({ facility });
  }

  gauge(name: string, help: string, value: unknown, labels: Labels = {}): void {
    const number = numberOf(value);
    if (number === null) return;
    const labelNames = Object.keys(labels);
    const known = this.#gauges.get(name) ?? new Gauge({ name, help, labelNames, registers: [this.registry] });
    this.#gauges.set(name, known);
    known.set(labels, number);
  }

  /** It only rises while the agent runs. */
  count(name: string, help: string, value: unknown, labels: Labels = {}): void {
    const number = numberOf(value);
    if (number === null || number < 0) return;
    const labelNames = Object.keys(labels);
    const known = this.#counters.get(name) ?? new Counter({ name, help, labelNames, registers: [this.registry] });
    this.#counters.set(name, known);
    known.inc(labels, number);
  }
}

function tell(figures: Figures, { status, entrances, areas, sync }: Measures): void {
  figures.gauge('lintel_info', 'Always 1, with the version.', 1, { version: plainText(status['version']) });
  figures.gauge('lintel_serving', 'Doors are decided at: the database is not refused.', isServing(status));
  figures.gauge('lintel_clock_trusted', 'Windows can be judged by the clock.', status['clock'] === 'trusted');
  figures.gauge('lintel_storage_ok', 'Nothing is wrong with the database.', status['storage'] === 'ok');
  figures.gauge('lintel_outbox_depth', 'Events that wait for the broker.', status['outbox_depth']);
  figures.gauge('lintel_outbox_blocked', 'The next event cannot be sent.', plainText(status['outbox_blocked']) !== '');
  figures.count('lintel_event_sequence', 'Number of the newest event.', status['sequence']);
  const { broker, health } = status;
  if (isFields(broker)) figures.gauge('lintel_broker_connected', 'The broker is connected.', broker['connected']);
  if (isFields(health)) tellHealth(figures, health);
  if (sync !== null) tellSync(figures, sync);
  for (const bus of fieldsIn(status['buses'])) tellBus(figures, bus);
  for (const controller of fieldsIn(status['controllers'])) tellController(figures, controller);
  for (const entrance of entrances) tellEntrance(figures, entrance);
  for (const area of areas) {
    const labels = { area: plainText(area['area']) };
    figures.gauge('lintel_area_occupancy', 'People inside, as far as is known.', area['occupancy'], labels);
  }
}

export const isServing = (status: Fields): boolean => status['online'] === true && plainText(status['refusal']) === '';

function tellHealth(figures: Figures, { healthy, loopLagMs, memoryBytes, upMs, heldUp }: Fields): void {
  figures.gauge('lintel_healthy', 'Every part answers in time.', healthy);
  figures.gauge('lintel_memory_bytes', 'Resident memory.', memoryBytes);
  figures.gauge('lintel_up_seconds', 'Since the start.', seconds(upMs));
  figures.count('lintel_held_up_total', 'How often something held up the loop.', heldUp);
  if (isFields(loopLagMs))
    figures.gauge('lintel_loop_lag_seconds', 'Worst of the last two minutes.', seconds(loopLagMs['worst']));
}

function tellSync(figures: Figures, { pending, unconfirmed, failed, oldest_pending_erasure_at: oldest }: Fields): void {
  const help = 'Credentials at controllers, by how they stand.';
  for (const [state, value] of Object.entries({ pending, unconfirmed, failed }))
    figures.gauge('lintel_sync_credentials', help, value, { state });
  const since = Date.parse(plainText(oldest));
  const name = 'lintel_oldest_pending_erasure_timestamp_seconds';
  if (!Number.isNaN(since))
    figures.gauge(name, 'Since when somebody should be out of a table and is not.', since / 1_000);
}

function tellBus(figures: Figures, { bus, state, counters }: Fields): void {
  const labels = { bus: plainText(bus) };
  figures.gauge('lintel_bus_good', 'The line is neither disturbed nor down.', state === 'good', labels);
  if (!isFields(counters)) return;
  figures.count('lintel_bus_exchanges_total', 'Requests with their answers.', counters['exchanges'], labels);
  figures.count('lintel_bus_lost_total', 'Requests that nobody answered.', counters['lost'], labels);
  figures.count('lintel_bus_strange_frames_total', 'Frames that nobody asked for.', counters['strange_frames'], labels);
}

function tellController(
  figures: Figures,
  { controller, bus, driver, online, slots, pending_writes, counters }: Fields,
): void {
  const labels = { controller: plainText(controller), bus: plainText(bus), driver: plainText(driver) };
  figures.gauge('lintel_controller_online', 'It answers.', online, labels);
  figures.gauge('lintel_controller_pending_writes', 'Slots to be written or erased.', pending_writes, labels);
  if (isFields(slots))
    for (const kind of ['used', 'total', 'foreign'] as const)
      figures.gauge('lintel_controller_slots', 'Slots of its table.', slots[kind], { ...labels, kind });
  if (!isFields(counters)) return;
  for (const kind of ['requests', 'timeouts', 'retries', 'crc_errors', 'exceptions'] as const)
    figures.count(`lintel_controller_${kind}_total`, 'Of its wire, since the start.', counters[kind], labels);
}

function tellEntrance(figures: Figures, { name, is_locked, is_open, held, forced, online, mode }: Fields): void {
  const labels = { entrance: plainText(name) };
  figures.gauge('lintel_entrance_locked', 'Nobody walks in without being let in.', is_locked, labels);
  figures.gauge('lintel_entrance_open', 'By its contact; left out without one.', is_open, labels);
  figures.gauge('lintel_entrance_held', 'Open for too long.', held, labels);
  figures.gauge('lintel_entrance_forced', 'Opened though nobody was let in.', forced, labels);
  figures.gauge('lintel_entrance_online', 'All its devices answer.', online, labels);
  figures.gauge('lintel_entrance_mode', 'Always 1, with the mode.', 1, { ...labels, mode: plainText(mode) });
}

const seconds = (ms: unknown): number | null => (typeof ms === 'number' ? ms / 1_000 : null);
const numberOf = (value: unknown): number | null =>
  typeof value === 'boolean' ? Number(value) : typeof value === 'number' && Number.isFinite(value) ? value : null;
