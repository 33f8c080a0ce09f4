// A progress bar on standard error, for people at a terminal: one line, written over. Elsewhere nothing, so that logs
// and scripts stay clean.

import type { Terminal } from './terminal.ts';

export type ProgressBar = { show(done: number, of: number, words: string): void; end(): void };

const CELLS = 30;

export function progressBar(terminal: Terminal, isQuiet: boolean): ProgressBar {
  if (!terminal.isTty || isQuiet) return { show: () => undefined, end: () => undefined };
  let isShown = false;
  return {
    show(done, of, words) {
      const part = of > 0 ? Math.max(0, Math.min(1, done / of)) : 0;
      const full = Math.round(part * CELLS);
      const bar = `${'#'.repeat(full)}${'.'.repeat(CELLS - full)}`;
      const line = `[${bar}] ${String(Math.floor(part * 100)).padStart(3)} %  ${words}`;
      terminal.err(`\r\u001b[K${line.slice(0, terminal.width - 1)}`);
      isShown = true;
    },
    end() {
      if (isShown) terminal.err('\n');
      isShown = false;
    },
  };
}
