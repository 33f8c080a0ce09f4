// What it costs to do nothing: the whole agent on a quiet night, beside a bare loop that moves frames of the same
// length at the same pace through the same kind of line and does nothing with them. Both in processes of their own,
// measured in the same window.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openPtyPair, type PtyPair } from '../support/ports.ts';
import { SYSTEM } from '../support/room.ts';
import { startBroker } from './broker.ts';
import { startBareBus, startNothing } from './bare-bus.ts';
import { benchFolder } from './building.ts';
import { startChild, type AskedChild } from './child.ts';
import type { AgentIdle, AgentOrder } from './idle-child.ts';
import type { UsageOver } from './idle-usage.ts';
import type { LineOrder, ReaderAnswer, ReaderOrder } from './osdp-child.ts';
import { against, beside, median, type Report } from './report.ts';
import type { DevicesAnswer, DevicesOrder, MoveInput } from './sync-child.ts';

const BENCH = 'idle';
const KEY = 'C3A1F05E77120B9D4408EE6AB1D2937F';
const TURNAROUND_MS = 2;
/** Until whatever follows a start, or cards, has followed; and until the bare loop is as warm as the agent. */
const SETTLE_MS = 3_000;
const WARM_MS = 10_000;
const PACE_MS = 3_000;
const WINDOW_MS = 4_000;
/** The median of so many windows: what else the machine does in one of them is nobody's figure. */
const WINDOWS = 3;
/**
 * The agent's use against the bare loop's, and one reader at factory baud against a whole core. A poll of a reader costs
 * two wakings, a write and a read in both; what is beyond is the agent's own: the session's MACs, the turns, the rest.
 */
const MOST_AGAINST_BARE = 2;
const MOST_OF_A_POLL = 1.75;
const MOST_OF_A_CORE = 0.02;

type Place = {
  buses: string;
  controllers: string;
  keyed: readonly string[];
  pty: boolean;
  /** Makes the agent do its work so often that it is compiled, as it is in one that has run for days. */
  warm: () => Promise<unknown>;
  end: () => Promise<void>;
};
type Row = {
  name: string;
  what: string;
  raise: () => Promise<Place>;
  mostOfACore?: number;
  mostAgainstBare?: number;
};

const ROWS: readonly Row[] = [
  { name: 'nothing', what: 'nothing configured', raise: () => nothing() },
  ...[9_600, 38_400, 115_200].map((baud) => ({
    name: `osdp-${baud}`,
    what: `one OSDP reader at ${baud} baud`,
    raise: () => osdp({ baud, readers: 1, paced: true }),
    mostAgainstBare: MOST_OF_A_POLL,
    ...(baud === 9_600 ? { mostOfACore: MOST_OF_A_CORE } : {}),
  })),
  {
    name: 'osdp-8',
    what: 'eight OSDP readers at 115200 baud',
    raise: () => osdp({ baud: 115_200, readers: 8, paced: true }),
    mostAgainstBare: MOST_OF_A_POLL,
  },
  {
    name: 'osdp-unpaced',
    what: 'one OSDP reader behind a converter that answers at once, 9600 baud',
    raise: () => osdp({ baud: 9_600, readers: 1, paced: false }),
    mostAgainstBare: MOST_OF_A_POLL,
    mostOfACore: MOST_OF_A_CORE,
  },
  {
    name: 'osdp-pty',
    what: 'one OSDP reader on a pseudo terminal',
    raise: () => osdp({ baud: 115_200, readers: 1, paced: false, pty: true }),
    mostAgainstBare: MOST_OF_A_POLL,
  },
  { name: 'relays', what: 'one relay board with inputs, RTU at 9600 baud', raise: () => modbus('rtu-over-tcp') },
  { name: 'plc', what: 'one PLC over Modbus TCP', raise: () => modbus('tcp') },
];

export async function run(report: Report, part: string | null): Promise<void> {
  const broker = await startBroker();
  try {
    for (const row of ROWS) if (part === null || part === row.name) await measure(report, row, broker.url);
  } finally {
    broker.stop();
  }
}

async function measure(report: Report, row: Row, brokerUrl: string): Promise<void> {
  const { raise } = row;
  const place = await raise();
  const { folder, remove } = benchFolder();
  try {
    const file = join(folder, 'idle.yaml');
    writeFileSync(file, facilityFile(folder, brokerUrl, place));
    const order: AgentOrder = { file, folder, key: KEY, keyed: place.keyed };
    const agent = await startChild<number, AgentIdle>('idle-child.ts', [JSON.stringify(order)]);
    await place.warm();
    await sleep(SETTLE_MS);
    const { perSecond, sentBytes, receivedBytes } = await agent.ask(PACE_MS);
    const bare =
      perSecond === 0
        ? await startNothing()
        : await startBareBus({ sentBytes, receivedBytes }, { pace: { perSecond }, answerAfterMs: 1, pty: place.pty });
    await sleep(WARM_MS);
    const rounds: { agent: AgentIdle; bare: UsageOver }[] = [];
    for (let i = 0; i < WINDOWS; i++) {
      const [agentUsed, bareUsed] = await Promise.all([agent.ask(WINDOW_MS), bare.ask(WINDOW_MS)]);
      rounds.push({ agent: agentUsed, bare: bareUsed });
    }
    agent.end();
    await bare.end();
    tell(report, row, rounds);
  } finally {
    await place.end();
    remove();
  }
}

function tell(
  report: Report,
  { what, mostOfACore, mostAgainstBare = MOST_AGAINST_BARE }: Row,
  rounds: readonly { agent: AgentIdle; bare: UsageOver }[],
): void {
  const middle = (of: (round: { agent: AgentIdle; bare: UsageOver }) => number): number => median(rounds.map(of));
  const share = middle(({ agent }) => agent.share);
  const bareShare = middle(({ bare }) => bare.share);
  const perSecond = middle(({ agent }) => agent.perSecond);
  const figure = (name: string, value: number, unit: string): void => {
    report(beside(BENCH, `${what}: ${name}`, value, unit));
  };
  figure('CPU, of a core', 100 * share, '%');
  figure('CPU, the bare loop', 100 * bareShare, '%');
  figure(
    'wakings a second',
    middle(({ agent }) => agent.voluntary + agent.involuntary),
    '/s',
  );
  figure(
    'wakings a second, the bare loop',
    middle(({ bare }) => bare.voluntary + bare.involuntary),
    '/s',
  );
  figure(
    'resident memory',
    middle(({ agent }) => agent.rssMiB),
    'MiB',
  );
  figure(
    'resident memory, the bare loop',
    middle(({ bare }) => bare.rssMiB),
    'MiB',
  );
  if (perSecond > 0) {
    figure('exchanges', perSecond, '/s');
    figure('CPU for each exchange', (1e6 * share) / perSecond, 'µs');
    report(against(BENCH, `${what}: CPU / the bare loop’s`, share / bareShare, 'x', '<=', mostAgainstBare));
  }
  if (mostOfACore !== undefined) report(against(BENCH, `${what}: share of a core`, share, '', '<=', mostOfACore));
}

// ---- what the agent serves ------------------------------------------------------------------------------------------

const facilityFile = (folder: string, brokerUrl: string, { buses, controllers }: Place): string => `
facility: bench
acs_system_id: ${SYSTEM}
time_zone: UTC
clock: {trust: always}
mqtt: {url: "${brokerUrl}"}
store: {path: ${join(folder, 'lintel.db')}, events: {keep: 90d, max: 100_000}}
buses: {${buses}}
controllers: {${controllers}}
entrances: {}
`;

const nothing = (): Promise<Place> =>
  Promise.resolve({
    buses: '',
    controllers: '',
    keyed: [],
    pty: false,
    warm: () => Promise.resolve(),
    end: () => Promise.resolve(),
  });

async function osdp(line: { baud: number; readers: number; paced: boolean; pty?: boolean }): Promise<Place> {
  const pty = line.pty === true ? await openPtyPair() : null;
  const order: LineOrder = {
    at: pty === null ? { listen: 0 } : { path: pty.b },
    baud: line.baud,
    paced: line.paced,
    turnaroundMs: TURNAROUND_MS,
    readers: line.readers,
    key: KEY,
  };
  const child = await startChild<ReaderOrder, ReaderAnswer>('osdp-child.ts', [JSON.stringify(order)]);
  const names = Array.from({ length: line.readers }, (_, address) => `reader-${address}`);
  return {
    buses: `doors: {driver: osdp, port: "${pty?.a ?? child.first.path ?? ''}", baud: ${line.baud}}`,
    controllers: names.map((name, address) => `${name}: {bus: doors, address: ${address}, inputs: 2, outputs: 1}`).join(', '),
    keyed: names,
    pty: pty !== null,
    warm: async () => {
      await child.ask({ ask: 'stir', unpaced: true });
      await sleep(WARM_MS);
      await child.ask({ ask: 'rest' });
    },
    end: () => ended(child, pty),
  };
} // prettier-ignore

async function modbus(transport: DevicesOrder['transport']): Promise<Place> {
  const baud = transport === 'tcp' ? null : 9_600;
  const profile = transport === 'tcp' ? 'plc-door-1' : 'waveshare-io-8ch';
  const order: DevicesOrder = { transport, baud, profiles: [profile], turnaroundMs: TURNAROUND_MS };
  const child = await startChild<MoveInput, DevicesAnswer>('sync-child.ts', [JSON.stringify(order)]);
  const pace = baud === null ? '' : `, baud: ${baud}, parity: even`;
  return {
    buses: `plant: {driver: modbus, transport: ${transport}, host: 127.0.0.1, port: ${child.first.port ?? 0}${pace}}`,
    controllers: `board: {bus: plant, unit: 1, profile: ${profile}}`,
    keyed: [],
    pty: false,
    warm: () => sleep(WARM_MS),
    end: () => ended(child, null),
  };
}

async function ended(child: Pick<AskedChild<object, object>, 'end'>, pty: PtyPair | null): Promise<void> {
  child.end();
  await pty?.close();
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
