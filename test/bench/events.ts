// The log of events: one of them durable with its hash, many of them to a broker, and what a door feels meanwhile.
// `events/million` drains a million of them, else 200,000, a stretch of the log after the other.

import { startBroker } from './broker.ts';
import { runChild, startChild } from './child.ts';
import type { DecisionRound } from './decision-child.ts';
import type { EventRates } from './events-child.ts';
import { against, beside, median, percentile, type Report } from './report.ts';

const APPENDED = 400;
const DRAINED = 200_000;
const MILLION = 1_000_000;
const ROUNDS = 5;
const DECISIONS = 100;
const LEAST_OF_BARE_INSERT = 0.6;
const LEAST_OF_BARE_PUBLISH = 0.9;
const MOST_AGAINST_REST = 2;

export async function run(report: Report, part: string | null): Promise<void> {
  if (part === null || part === 'append') await append(report);
  if (part === null || part === 'drain') await drain(report, DRAINED, 5);
  if (part === 'million') await drain(report, MILLION, 20);
  if (part === null || part === 'decision') await decisions(report);
}

async function append(report: Report): Promise<void> {
  const { ours, bare } = await runChild<EventRates>('events-child.ts', ['append', String(APPENDED)]);
  report(beside('events', 'one event with its hash, durable', median(ours), '1/s'));
  report(beside('events', 'a bare row of better-sqlite3 of the same size, as durable', median(bare), '1/s'));
  report(against('events', 'ratio: an event / a bare row', ratio(ours, bare), '', '>=', LEAST_OF_BARE_INSERT));
}

async function drain(report: Report, count: number, turns: number): Promise<void> {
  const broker = await startBroker();
  try {
    const args = ['drain', String(count), broker.url, String(turns)];
    const { ours, bare, restMib, mostMib } = await runChild<EventRates>('events-child.ts', args);
    report(beside('events', `${count} events from the log through Mosquitto`, median(ours), '1/s'));
    report(beside('events', 'the same payloads from memory by mqtt.js, same window', median(bare), '1/s'));
    report(against('events', `ratio: ${count} from the log / from memory`, ratio(ours, bare), '', '>=', LEAST_OF_BARE_PUBLISH)); // prettier-ignore
    report(beside('events', 'memory of the process before', restMib, 'MiB'));
    report(beside('events', 'the most while it drains', mostMib, 'MiB'));
  } finally {
    broker.stop();
  }
}

/** Two turns that follow each other are held against each other: a slow moment of the machine meets both. */
const ratio = (ours: readonly number[], bare: readonly number[]): number =>
  median(ours.map((rate, turn) => rate / (bare[turn] ?? Infinity)));

/** One door at rest and one whose agent empties a log without end, asked in turn. */
async function decisions(report: Report): Promise<void> {
  const broker = await startBroker();
  try {
    const house = async (...load: string[]) =>
      await startChild<number, DecisionRound>('decision-child.ts', ['1000', String(ROUNDS * DECISIONS), ...load]);
    const [rest, draining] = [await house('quiet'), await house('drain', broker.url)];
    const rounds: { rest: number[]; draining: number[] }[] = [];
    for (let n = 0; n < ROUNDS; n++) {
      const [quiet, busy] = [await rest.ask(DECISIONS), await draining.ask(DECISIONS)];
      rounds.push({ rest: quiet.latencies, draining: busy.latencies });
    }
    rest.end();
    draining.end();
    for (const [what, fraction] of [
      ['median', 0.5],
      ['p99', 0.99],
    ] as const) {
      const [quiet, busy] = (['rest', 'draining'] as const).map((name) => median(rounds.map((round) => percentile(round[name], fraction)))); // prettier-ignore
      report(beside('events', `reader byte to relay request at rest, ${what}`, quiet ?? 0, 'ms'));
      report(beside('events', `the same while the log drains, ${what}`, busy ?? 0, 'ms'));
      const both = (busy ?? 0) / (quiet ?? 1);
      report(what === 'p99' ? against('events', `${what}: while the log drains / at rest`, both, 'x', '<=', MOST_AGAINST_REST) : beside('events', `${what}: while the log drains / at rest`, both, 'x')); // prettier-ignore
    }
  } finally {
    broker.stop();
  }
}
