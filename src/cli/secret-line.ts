// A PIN or a key that is neither in the process list nor in the history of a shell: asked for at a terminal, and not
// shown there, or one line of standard input.

import { readInput } from './channel.ts';
import { UsageError, type Terminal } from './terminal.ts';

/** Stands on the command line for what is read from standard input. */
export const FROM_INPUT = '-';

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const MOST = 1_000;

/** One line, without its end and the space around it. `option` is named where there is none. */
export async function readSecretLine(option: string, prompt: string, terminal: Terminal): Promise<string> {
  const text = process.stdin.isTTY
    ? await askUnseen(`${prompt}: `, terminal)
    : (readInput(FROM_INPUT, option).toString('utf8').split('\n', 1)[0] ?? '').trim();
  if (text === '') throw new UsageError(`${option}: nothing was given on standard input`);
  return text;
}

/** In raw mode nothing is echoed, and editing and Ctrl-C are ours to see to. */
async function askUnseen(prompt: string, terminal: Terminal): Promise<string> {
  const { stdin } = process;
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  terminal.err(prompt);
  let text = '';
  try {
    for await (const typed of stdin) {
      for (const key of String(typed)) {
        if (key === '\r' || key === '\n') return text.trim();
        if (key === CTRL_C || key === CTRL_D) return '';
        if (key === '\u007f' || key === '\b') text = text.slice(0, -1);
        else if (key >= ' ' && text.length < MOST) text += key;
      }
    }
    return text.trim();
  } finally {
    stdin.setRawMode(false);
    terminal.err('\n');
  }
}
