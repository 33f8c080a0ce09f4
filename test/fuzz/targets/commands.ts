// Commands: the bytes of a payload, and the whole way from there to the reply, against a real database.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMMANDS, type CommandName } from '../../../src/commands/contract.ts';
import { MOST_PAYLOAD_BYTES } from '../../../src/commands/contract/envelope.ts';
import { readCommand } from '../../../src/commands/intake.ts';
import { ERROR_TYPES } from '../../../src/domain/errors.ts';
import { flawOf, MOST_DEPTH, MOST_VALUES, readJson } from '../../../src/domain/outside-json.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { Secrets } from '../../../src/store/secrets.ts';
import { Store } from '../../../src/store/store.ts';
import { ManualClock, turn } from '../../support/manual-clock.ts';
import { buildRoom, Caller, LOBBY, USER, type ParsedReply } from '../../support/room.ts';
import type { Chance } from '../../world/seeded/chance.ts';
import { changedJson, valuesByKey } from '../mutate-json.ts';
import { must, type Target } from '../target.ts';

const NEWLINE = 0x0a;
const NAMES = Object.keys(COMMANDS) as CommandName[];

/** The first line is the topic. */
function taken(bytes: Buffer): { topic: string; payload: Buffer } {
  const at = bytes.indexOf(NEWLINE);
  return { topic: bytes.toString('utf8', 0, Math.max(0, at)), payload: bytes.subarray(at + 1) };
}

const SEEDS = NAMES.map((name) => {
  const { example } = COMMANDS[name];
  const envelope = { command_id: 'c-1', issued_at: '2026-03-02T09:00:00Z', expires_at: '2026-03-02T09:00:30Z', params: example }; // prettier-ignore
  return Buffer.from(`${name}\n${JSON.stringify(envelope)}`);
});

const WORDS = ['null', 'true', '{}', '[]', '"', ',', ':', '{', '}', '[', ']', '0', '-1', '1e99', '"\\ud800"', '"__proto__":', '"params":', '"command_id":', '"code":"824759"', '"card_number":"H10301:1:2"', '"starts_at":"2026-03-02T09:00:00Z"', `"${USER}"`, `"${LOBBY}"`, '\u{1f600}', '"stream":{"id":"s","seq":1}']; // prettier-ignore

const EXAMPLES = valuesByKey(NAMES.map((name) => COMMANDS[name].example));

/** Mostly of the parameters: what surrounds them is soon wrong, and then nothing of them is looked at. */
function changed(bytes: Buffer, chance: Chance): Buffer {
  const { topic, payload } = taken(bytes);
  const name = chance.is(0.03) ? chance.of(NAMES) : topic;
  const text = payload.toString();
  const at = text.indexOf('"params":');
  if (at < 0 || !text.endsWith('}') || chance.is(0.1)) return Buffer.from(`${name}\n${changedJson(text, chance, EXAMPLES)}`); // prettier-ignore
  const params = text.slice(at + 9, -1);
  return Buffer.from(`${name}\n${text.slice(0, at + 9)}${changedJson(params, chance, EXAMPLES)}}`);
}

// ---- the payload ----------------------------------------------------------------------------------------------------

const SECRETS = new Secrets(Buffer.alloc(32, 7));

function playPayload(bytes: Buffer): string {
  const { topic, payload } = taken(bytes);
  const [resource = '', ...verb] = topic.split('/');
  const json = readJson(payload);
  if ('value' in json && !('problem' in json)) {
    const flaw = flawOf(json.value, { depth: MOST_DEPTH, values: MOST_VALUES });
    if (flaw !== null) must(flaw.path.length <= 12 && flaw.problem.length < 200, 'what is wrong has no bounds');
  }
  const read = readCommand({ resource, verb: verb.join('/'), payload, isRetained: false }, SECRETS);
  if ('error' in read) {
    must(read.error.message.length < 4_096, 'what is wrong has no bounds');
    must(ERROR_TYPES.includes(read.error.type) && read.error.type !== 'internal', 'a mistake of ours');
    return read.error.type;
  }
  return 'taken';
}

// ---- the whole way --------------------------------------------------------------------------------------------------

/** A database holds what so many commands have left; then another one takes its place. */
const MOST_IN_ONE = 5_000;

class World {
  readonly #folder = mkdtempSync(join(tmpdir(), 'lintel-fuzz-'));
  readonly #clock = new ManualClock();
  readonly #store: Store;
  readonly #caller: Caller;
  commands = 0;

  constructor() {
    const path = join(this.#folder, 'lintel.db');
    this.#store = new Store({ path, masterKey: null, env: {}, clock: this.#clock, random: systemRandom, clockState: () => 'trusted' }); // prettier-ignore
    this.#caller = new Caller(buildRoom(this.#store, this.#clock));
  }

  /** What the examples speak of is there, as far as they make it. */
  async furnish(): Promise<this> {
    for (const name of NAMES.filter((one) => /\/(create|enroll)/.test(one)))
      await this.#caller.call(name, COMMANDS[name].example);
    return this;
  }

  async send(topic: string, payload: Buffer): Promise<string> {
    this.commands += 1;
    return (await this.#caller.send(topic, payload)).json;
  }

  end(): void {
    this.#store.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

let world: World | null = null;
process.on('exit', () => world?.end());

async function playCommand(bytes: Buffer): Promise<string> {
  if (world !== null && world.commands >= MOST_IN_ONE) {
    world.end();
    world = null;
  }
  world ??= await new World().furnish();
  const { topic, payload } = taken(bytes);
  // What the agent leaves for the next turn of the loop waits for one.
  if (world.commands % 64 === 0) await turn(1);
  const json = await world.send(topic, payload);
  const reply = JSON.parse(json) as ParsedReply;
  must(reply.error?.type !== 'internal', `a mistake of ours: ${reply.error?.message ?? ''}`);
  must(Buffer.byteLength(json) <= MOST_PAYLOAD_BYTES, 'a reply has no bounds');
  return reply.ok ? `${topic} done` : (reply.error?.type ?? 'no error');
}

export const COMMAND_TARGETS: readonly Target[] = [
  {
    name: 'command-payloads',
    about: 'commands: topics and payloads, and the envelope in them',
    seeds: SEEDS,
    words: WORDS,
    change: changed,
    play: playPayload,
  },
  {
    name: 'commands',
    about: 'commands: from the payload to the reply, against a database',
    seeds: SEEDS,
    words: WORDS,
    change: changed,
    mend: (bytes) => renumbered(bytes),
    play: playCommand,
    inputsInSuite: 600,
  },
];

/** A command of its own, where it would be the repeat of one before. */
function renumbered(bytes: Buffer): Buffer {
  let sum = 0;
  for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) >>> 0;
  return Buffer.from(bytes.toString().replace(/"c-[0-9]+"/, `"c-${sum}"`));
}
