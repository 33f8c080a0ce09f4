// A connection as the agent would make it, up to where the other side has shown who it is: no word of MQTT or of a
// driver is spoken, so that nobody is thrown out by it.

import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Clock } from '../domain/ports.ts';
import type { ConnectTo, Reached } from './machine.ts';

export async function connectOnce(clock: Clock, to: ConnectTo, timeoutMs: number): Promise<Reached> {
  return await new Promise((resolve) => {
    let dialled: Dialled;
    try {
      dialled = dial(to);
    } catch (error) {
      // A key that is not that of the certificate, or no PEM at all, is found before anything is sent.
      resolve({ isReached: false, ...said(error) });
      return;
    }
    const { socket, secured } = dialled;
    const end = (reached: Reached): void => {
      timer.cancel();
      socket.destroy();
      resolve(reached);
    };
    const timer = clock.after(timeoutMs, () => end({ isReached: false, code: 'ETIMEDOUT', message: 'no answer' }));
    socket.once(secured === null ? 'connect' : 'secureConnect', () => {
      const validUntilMs = secured === null ? NaN : Date.parse(secured.getPeerCertificate().valid_to);
      end({ isReached: true, certificate: Number.isNaN(validUntilMs) ? null : { validUntilMs } });
    });
    socket.on('error', (error) => end({ isReached: false, ...said(error) }));
  });
}

type Dialled = { socket: Socket; secured: TLSSocket | null };

function dial({ host, port, tls }: ConnectTo): Dialled {
  if (tls === null) return { socket: connectTcp({ host, port }), secured: null };
  const { ca, cert, key } = tls;
  const secured = connectTls({
    host,
    port,
    // An address has no name to be asked for.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  });
  return { socket: secured, secured };
}

function said(error: unknown): { code: string; message: string } {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN';
  return { code, message: error instanceof Error ? error.message : String(error) };
}
