// What the kernel, udev and systemd show as files. What is not there, or may not be read, is nothing.

import { readdirSync, readFileSync } from 'node:fs';

/** In order; none where there is no such folder. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Without the space around it; null: there is no such file, or nothing in it. */
export function textIn(path: string): string | null {
  try {
    const text = readFileSync(path, 'utf8').trim();
    return text === '' ? null : text;
  } catch {
    return null;
  }
}
