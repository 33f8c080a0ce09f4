// How long phones take at a reader in transparent mode, in virtual time: from the first command that reaches each to its
// strike, beside what the exchanges between take on the wire. The same on every machine.

import { SimulatedCard } from '../../../drivers/osdp/pkoc/simulated-card.ts';
import { raiseVirtualBus, TURNAROUND_MS } from './virtual-bus.ts';

const BAUD = 115_200;
/** Marks of answers and the pauses before both, which no counter counts. */
const UNCOUNTED_CHARACTERS = 5;
const CHARACTER_MS = 10_000 / BAUD;

export async function timePhones(count: number): Promise<{ tookMs: number; wireMs: number }> {
  const prepare = (one: { field: { isKnown: boolean } }): void => void (one.field.isKnown = true);
  const bus = await raiseVirtualBus({ baud: BAUD, readers: 1, controller: () => ({ transparent: true }), prepare });
  const [sim] = bus.sims;
  if (sim === undefined) throw new Error('there is a reader');
  const { pulses } = sim.terminals;
  const counted = (): { exchanges: number; bytes: number } => {
    const all = [...bus.driver.devices.values()].map((device) => device.status().counters);
    return {
      exchanges: all.reduce((sum, { replies }) => sum + replies, 0),
      bytes: all.reduce((sum, one) => sum + one.bytesSent + one.bytesReceived, 0),
    };
  };
  const sum = { tookMs: 0, wireMs: 0 };
  for (let i = 0; i < count; i++) {
    await bus.time.passUntil(bus.time.nowMs + 2_000 + 37 * i);
    const card = new SimulatedCard();
    const begun: { atMs: number; counted: ReturnType<typeof counted> }[] = [];
    sim.field.lay({
      answer: (command) => {
        begun.push({ atMs: bus.time.nowMs, counted: counted() });
        return card.answer(command);
      },
    });
    while (pulses.length === i) await bus.time.passUntil(bus.time.nowMs + 1);
    const until = counted();
    const [first] = begun;
    if (first === undefined) throw new Error('it was spoken to');
    const exchanges = until.exchanges - first.counted.exchanges;
    const characters = until.bytes - first.counted.bytes + exchanges * UNCOUNTED_CHARACTERS;
    sum.tookMs += (pulses[i]?.atMs ?? 0) - first.atMs;
    sum.wireMs += characters * CHARACTER_MS + exchanges * TURNAROUND_MS;
    sim.field.lay(null);
  }
  return sum;
}
