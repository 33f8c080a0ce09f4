// Who sends a command from this command line: stated in its envelope, recorded with what it changes.

import { hostname, userInfo } from 'node:os';

const MOST = 64;

/** The user's own name, also behind sudo; with `isRemote` the machine's behind it. */
export function senderHere(isRemote: boolean, env: NodeJS.ProcessEnv = process.env): string {
  const name = env['SUDO_USER'] ?? accountName();
  return (isRemote ? `${name}@${hostname()}` : name).slice(0, MOST);
}

/** An account may be gone from the machine's list, as in a container. */
function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
