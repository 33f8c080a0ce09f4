// Simulated Modbus devices on a real line: a serial port (one end of a pseudo terminal pair), a TCP port that speaks
// Modbus TCP, or one that stands for a serial converter. Tests, the demo and `lintel simulate` use the same ones, and
// what goes wrong in the field goes wrong here on switch.

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Profile } from './profile-schema.ts';
import { loadProfile } from './profile.ts';
import { bitsPerCharacter, BROADCAST_UNIT, crc16, frame } from './rtu.ts';
import { requestLength } from './simulator-memory.ts';
import { SimulatedUnit, type SimulatedUnitOptions } from './simulator-unit.ts';
import { assert } from '../../src/domain/errors.ts';
import type { Clock, OpenPort, Parity, Port, Timer } from '../../src/domain/ports.ts';

export type Listen =
  | { kind: 'serial'; path: string; baud?: number; parity?: Parity; openPort: OpenPort }
  /** On 127.0.0.1; 0 takes a free port. */
  | { kind: 'tcp'; port: number }
  | { kind: 'rtu-over-tcp'; port: number };

/** `profile` is the name of a shipped one, a path, or a profile already loaded. */
export type UnitOptions = Omit<SimulatedUnitOptions, 'profile'> & { profile: string | Profile };

export type SimulatorOptions = { listen: Listen; units: readonly UnitOptions[]; clock: Clock; baseFolder?: string };

/** What may go wrong on the line itself, for all devices on it. */
export type LineFaults = {
  /** As slow as a wire of this baud rate, both ways; null: as fast as it goes. */
  pace: { baud: number; parity: Parity } | null;
  /** The master's adapter hears itself. */
  echo: boolean;
  /** Answers come in pieces of so many bytes, with so long in between. */
  fragment: { bytes: number; pauseMs: number } | null;
  /** A frame of another device stands before each answer. */
  foreign: boolean;
  /** Modbus TCP: the connection is ended after each whole answer. */
  oneAnswerEach: boolean;
  /**
   * A gateway looks so long for a unit that is not there before it says so; `oneAtATime`: nobody else is served
   * meanwhile.
   */
  vain: { takesMs: number; oneAtATime: boolean };
  /** How many connections it takes; one more is ended at once. */
  mostConnections: number;
};

const OPEN_MS = 5_000;
/** A pause after which what came before is no part of a frame any more. */
const FRAME_PAUSE_MS = 50;
const GATEWAY_TARGET_FAILED = 11;

export class ModbusSimulator {
  readonly lineFaults: LineFaults = {
    pace: null,
    echo: false,
    fragment: null,
    foreign: false,
    oneAnswerEach: false,
    vain: { takesMs: 0, oneAtATime: false },
    mostConnections: Infinity,
  };
  readonly #clock: Clock;
  readonly #listen: Listen;
  readonly #units = new Map<number, SimulatedUnit>();
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<Timer>();
  readonly #busyUntilMs = new Map<number, number>();
  #server: Server | null = null;
  #serial: Port | null = null;
  #tcpPort = 0;
  #accepted = 0;
  #gatewayFreeAtMs = 0;

  constructor({ listen, units, clock, baseFolder = '.' }: SimulatorOptions) {
    this.#clock = clock;
    this.#listen = listen;
    for (const options of units) {
      const profile = typeof options.profile === 'string' ? load(options.profile, baseFolder) : options.profile;
      assert(!this.#units.has(options.unit), `unit ${options.unit} is on the line once`);
      this.#units.set(options.unit, new SimulatedUnit({ ...options, profile }, clock));
    }
  }

  /** The port it listens on, once started. */
  get port(): number {
    return this.#tcpPort;
  }

  unit(unit: number): SimulatedUnit {
    const found = this.#units.get(unit);
    assert(found !== undefined, `unit ${unit} is simulated`);
    return found;
  }

  /** Connections taken since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  async start(): Promise<void> {
    const listen = this.#listen;
    if (listen.kind === 'serial') {
      const settings = { path: listen.path, baud: listen.baud ?? 9600, parity: listen.parity ?? 'none' };
      const line = new RtuServerLine(this.#clock, (request) =>
        this.#heardRtu(request, (bytes) => this.#serial?.write(bytes)),
      );
      const handlers = {
        data: (bytes: Buffer) => this.#hear(line, bytes, (back) => this.#serial?.write(back)),
        lost: () => (this.#serial = null),
      };
      this.#serial = await listen.openPort({ ...settings, dataBits: 8, stopBits: 1 }, handlers, OPEN_MS);
    } else await this.#listenOn(this.#tcpPort === 0 ? listen.port : this.#tcpPort);
  }

  /** Nobody is connected any more, and nobody gets in until `start`. Serial: lets go of the port. */
  async cut(): Promise<void> {
    await this.#serial?.close();
    this.#serial = null;
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** Ends every connection, and takes new ones. */
  endConnections(): void {
    for (const socket of this.#sockets) socket.end();
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) timer.cancel();
    for (const unit of this.#units.values()) unit.close();
    await this.cut();
  }

  /** Puts bytes on the line out of turn, as interference or another master would. */
  say(bytes: Uint8Array): void {
    this.#serial?.write(bytes);
    for (const socket of this.#sockets) socket.write(bytes);
  }

  async #listenOn(port: number): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => {
      if (this.#sockets.size >= this.lineFaults.mostConnections) {
        socket.destroy();
        return;
      }
      this.#sockets.add(socket);
      this.#accepted++;
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
      const send = (bytes: Buffer): void => {
        if (socket.writable) socket.write(bytes);
      };
      if (this.#listen.kind === 'tcp') this.#serveMbap(socket, send);
      else {
        const line = new RtuServerLine(this.#clock, (request) => this.#heardRtu(request, send));
        socket.on('data', (bytes) => this.#hear(line, bytes, send));
      }
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    const address: AddressInfo | string | null = server.address();
    assert(address !== null && typeof address === 'object', 'a TCP server has a port');
    this.#tcpPort = address.port;
  }

  // ---- RTU ----------------------------------------------------------------------------------------------------------

  #hear(line: RtuServerLine, bytes: Buffer, send: (bytes: Buffer) => void): void {
    if (this.lineFaults.echo) send(bytes);
    line.receive(bytes);
  }

  #heardRtu(request: Buffer, send: (bytes: Buffer) => void): void {
    const address = request.readUInt8(0);
    const pdu = request.subarray(1, -2);
    if (address === BROADCAST_UNIT) {
      for (const unit of this.#units.values()) {
        const faults = unit.takeFaults(pdu);
        if (faults !== null && !faults.deaf) unit.handle(pdu, faults);
      }
      return;
    }
    const unit = this.#units.get(address);
    const faults = unit?.takeFaults(pdu) ?? null;
    if (unit === undefined || faults === null || faults.deaf) return;
    // Carried out when the last byte of the request has come, answered after the device's own time.
    this.#later(this.#wireMs(request.length), () => {
      let answer = frame(faults.answersAs ?? address, unit.handle(pdu, faults));
      if (faults.silent) return;
      if (faults.torn) answer = answer.subarray(0, -1);
      if (faults.wrongCrc) answer.writeUInt8(answer.readUInt8(answer.length - 1) ^ 0x5a, answer.length - 1);
      const said = Buffer.concat([
        this.lineFaults.foreign ? frame(address === 247 ? 1 : 247, Buffer.of(3, 2, 0x12, 0x34)) : Buffer.alloc(0),
        answer,
        faults.twice ? answer : Buffer.alloc(0),
      ]);
      this.#inOrder(address, faults.latencyMs + this.#wireMs(said.length), () => this.#sendPieces(said, send));
    });
  }

  /** A device does one thing after the other: what it takes long for holds up what was asked later. */
  #inOrder(unit: number, takesMs: number, run: () => void): void {
    const nowMs = this.#clock.monotonicMs();
    const doneMs = Math.max(nowMs, this.#busyUntilMs.get(unit) ?? 0) + takesMs;
    this.#busyUntilMs.set(unit, doneMs);
    this.#later(doneMs - nowMs, run);
  }

  #sendPieces(bytes: Buffer, send: (bytes: Buffer) => void): void {
    const { fragment } = this.lineFaults;
    if (fragment === null || bytes.length <= fragment.bytes) {
      send(bytes);
      return;
    }
    send(bytes.subarray(0, fragment.bytes));
    this.#later(fragment.pauseMs, () => this.#sendPieces(bytes.subarray(fragment.bytes), send));
  }

  #wireMs(bytes: number): number {
    const { pace } = this.lineFaults;
    return pace === null
      ? 0
      : (bytes * bitsPerCharacter({ dataBits: 8, stopBits: 1, parity: pace.parity }) * 1000) / pace.baud;
  }

  #later(delayMs: number, run: () => void): void {
    if (delayMs <= 0) {
      run();
      return;
    }
    const timer = this.#clock.after(delayMs, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
  }

  // ---- Modbus TCP ---------------------------------------------------------------------------------------------------

  #serveMbap(socket: Socket, send: (bytes: Buffer) => void): void {
    const end = (): void => void socket.end();
    let received = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      while (received.length >= 7) {
        const length = received.readUInt16BE(4) + 6;
        if (received.length < length) return;
        if (socket.writableEnded) return;
        this.#heardMbap(received.subarray(0, 7), received.subarray(7, length), send, end);
        received = received.subarray(length);
      }
    });
  }

  #heardMbap(header: Buffer, pdu: Buffer, send: (bytes: Buffer) => void, end: () => void): void {
    const unit = this.#units.get(header.readUInt8(6));
    const faults = unit?.takeFaults(pdu) ?? null;
    if (faults?.deaf) return;
    const answer =
      unit === undefined || faults === null
        ? Buffer.of(pdu.readUInt8(0) | 0x80, GATEWAY_TARGET_FAILED)
        : unit.handle(pdu, faults);
    if (faults?.silent) return;
    const dressed = Buffer.concat([header, answer]);
    dressed.writeUInt16BE(answer.length + 1, 4);
    if (faults?.misnumbered) dressed.writeUInt16BE((header.readUInt16BE(0) + 77) & 0xffff, 0);
    if (faults !== null && faults.answersAs !== null) dressed.writeUInt8(faults.answersAs, 6);
    const said = faults?.torn ? dressed.subarray(0, -1) : dressed;
    const vainMs = unit === undefined || faults === null ? this.lineFaults.vain.takesMs : 0;
    this.#gatewayTurn(vainMs, faults?.latencyMs ?? 0, () => {
      this.#sendPieces(said, send);
      if (this.lineFaults.oneAnswerEach) end();
    });
  }

  /** Where a gateway does one thing after the other, whoever comes later waits for whom it looks. */
  #gatewayTurn(vainMs: number, latencyMs: number, run: () => void): void {
    const nowMs = this.#clock.monotonicMs();
    const beginsMs = this.lineFaults.vain.oneAtATime ? Math.max(nowMs, this.#gatewayFreeAtMs) : nowMs;
    if (vainMs > 0) this.#gatewayFreeAtMs = beginsMs + vainMs;
    this.#later(beginsMs - nowMs + vainMs + latencyMs, run);
  }
}

/**
 * Cuts what comes over a line into requests, by the length that their start tells and the CRC; a pause ends what never
 * became one.
 */
class RtuServerLine {
  readonly #clock: Clock;
  readonly #request: (bytes: Buffer) => void;
  #received = Buffer.alloc(0);
  #lastMs = 0;

  constructor(clock: Clock, request: (bytes: Buffer) => void) {
    this.#clock = clock;
    this.#request = request;
  }

  receive(bytes: Buffer): void {
    const nowMs = this.#clock.monotonicMs();
    const kept = nowMs - this.#lastMs > FRAME_PAUSE_MS ? Buffer.alloc(0) : this.#received;
    this.#lastMs = nowMs;
    this.#received = Buffer.concat([kept, bytes]);
    while (this.#received.length >= 4) {
      const pduLength = requestLength(this.#received.subarray(1));
      if (pduLength === null) return;
      const length = pduLength === 0 ? this.#received.length : pduLength + 3;
      if (this.#received.length < length) return;
      const candidate = this.#received.subarray(0, length);
      const good = candidate.readUInt16LE(length - 2) === crc16(candidate.subarray(0, -2));
      this.#received = this.#received.subarray(good ? length : 1);
      if (good) this.#request(Buffer.from(candidate));
    }
  }
}

function load(name: string, baseFolder: string): Profile {
  const { profile, problems } = loadProfile(name, baseFolder);
  assert(profile !== null, `the profile ${name} is good: ${problems.map(({ message }) => message).join('; ')}`);
  return profile;
}

/** Starts the devices; `close` ends them and everything they opened. */
export async function startModbusDevices(options: SimulatorOptions): Promise<ModbusSimulator> {
  const simulator = new ModbusSimulator(options);
  await simulator.start();
  return simulator;
}
