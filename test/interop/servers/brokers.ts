// Brokers of others, all from Debian and on loopback: Mosquitto, RabbitMQ with its MQTT plugin, and the NATS server.
// Each can be killed and started again with what it kept.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect as dial } from 'node:net';
import { join } from 'node:path';
import type { IClientOptions } from 'mqtt';
import { onTestFinished } from 'vitest';
import { startMosquitto } from '../../support/mosquitto.ts';
import { freePort } from '../../support/ports.ts';
import { temporaryFolder } from '../../support/store.ts';

export type InteropBroker = {
  url: string;
  /** What a facility file must say for it. */
  eventTopics: 'dots' | 'slashes';
  username: string;
  password: string | null;
  /** How a client speaks to it that keeps its session. */
  sessionOf: (clientId: string) => IClientOptions;
  start: () => Promise<void>;
  /** Gone at once. */
  kill: () => Promise<void>;
};

const USERNAME = 'riverside';
const PASSWORD = 'opensesame';
/** An Erlang node takes its time on a small machine that is busy. */
const START_MS = 60_000;

export async function startMosquitto5(): Promise<InteropBroker> {
  const broker = await startMosquitto();
  return {
    ...broker,
    eventTopics: 'dots',
    username: USERNAME,
    password: null,
    sessionOf: (clientId) => ({
      clientId,
      clean: false,
      reconnectPeriod: 300,
      properties: { sessionExpiryInterval: 3_600 },
    }),
  };
}

/** Debian's 3.10 speaks MQTT 3.1.1, and takes a dot in a topic for a slash. */
export async function startRabbitmq(): Promise<InteropBroker> {
  const folder = temporaryFolder();
  const [port, amqpPort, distPort, epmdPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  for (const name of ['home', 'data', 'log']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'plugins'), '[rabbitmq_mqtt].\n');
  writeFileSync(
    join(folder, 'rabbitmq.conf'),
    `
listeners.tcp.1 = 127.0.0.1:${amqpPort}
mqtt.listeners.tcp.1 = 127.0.0.1:${port}
mqtt.allow_anonymous = false
default_user = ${USERNAME}
default_pass = ${PASSWORD}
log.console = false
disk_free_limit.absolute = 10MB
`,
  );
  const env = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: join(folder, 'home'),
    LANG: 'C.UTF-8',
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(epmdPort),
    RABBITMQ_NODENAME: `lintel-${port}@localhost`,
    RABBITMQ_DIST_PORT: String(distPort),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'none.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none',
  };
  // Erlang's port mapper would be started as a daemon and outlive the test: this one is there before.
  await new Program('epmd', [], env, epmdPort).start();
  const program = new Program('/usr/lib/rabbitmq/bin/rabbitmq-server', [], env, port);
  await program.start();
  return { ...served(program, `mqtt://127.0.0.1:${port}`), eventTopics: 'slashes' };
}

/** Debian's 2.9 speaks MQTT 3.1.1 as well, and ends a connection at a dot in a topic. */
export async function startNats(): Promise<InteropBroker> {
  const folder = temporaryFolder();
  const [port, ownPort] = [await freePort(), await freePort()];
  const settings = join(folder, 'nats.conf');
  writeFileSync(
    settings,
    `
server_name: lintel-${port}
listen: "127.0.0.1:${ownPort}"
jetstream: {store_dir: "${join(folder, 'data')}"}
authorization: {user: ${USERNAME}, password: ${PASSWORD}}
mqtt: {listen: "127.0.0.1:${port}"}
`,
  );
  const program = new Program('nats-server', ['-c', settings], process.env, port);
  await program.start();
  return { ...served(program, `mqtt://127.0.0.1:${port}`), eventTopics: 'slashes' };
}

const served = (program: Program, url: string): Omit<InteropBroker, 'eventTopics'> => ({
  url,
  username: USERNAME,
  password: PASSWORD,
  sessionOf: (clientId) => ({
    protocolVersion: 4,
    clientId,
    clean: false,
    reconnectPeriod: 300,
    username: USERNAME,
    password: PASSWORD,
  }),
  start: () => program.start(),
  kill: () => program.kill(),
});

/** A program that listens on a port of loopback, with whatever it starts; it ends with the test. */
class Program {
  readonly #command: string;
  readonly #words: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #port: number;
  #child: ChildProcess | null = null;
  #said = '';

  constructor(command: string, words: readonly string[], env: NodeJS.ProcessEnv, port: number) {
    this.#command = command;
    this.#words = words;
    this.#env = env;
    this.#port = port;
    onTestFinished(() => this.kill());
  }

  async start(): Promise<void> {
    // A group of its own, so that a script and what it runs end together.
    const child = spawn(this.#command, this.#words, {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    this.#said = '';
    child.once('error', (reason) => (this.#said += reason.message));
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => (this.#said = (this.#said + bytes.toString()).slice(-4_096)));
    const endsAt = performance.now() + START_MS;
    while (!(await canConnect(this.#port))) {
      if (child.pid === undefined || child.exitCode !== null || performance.now() > endsAt)
        throw new Error(`${this.#command} does not serve: ${this.#said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child?.pid === undefined || child.exitCode !== null) return;
    const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
    process.kill(-child.pid, 'SIGKILL');
    await ended;
  }
}

const canConnect = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = dial(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
