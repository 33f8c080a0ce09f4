// Whose work a package carries, and under which terms: the licence texts of everything that is not only for
// development, in one text.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

type Lock = { packages: Record<string, { version?: string; license?: string; dev?: boolean }> };

export function licenceText(home: string, nodeFolder: string): string {
  const lock = JSON.parse(readFileSync(join(home, 'package-lock.json'), 'utf8')) as Lock;
  const parts = Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true && !path.includes('node_modules/node-linux-'))
    .filter(([path]) => existsSync(join(home, path)))
    .map(([path, { version = '', license = 'see below' }]) => {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
      return `${name} ${version} (${license})\n\n${textsIn(join(home, path))}`;
    });
  return [...parts, `Node.js\n\n${textsIn(nodeFolder)}`].join(`\n${'-'.repeat(72)}\n\n`);
}

function textsIn(folder: string): string {
  const names = readdirSync(folder)
    .filter((name) => /^(licen[cs]e|copying|notice)/i.test(name))
    .sort();
  return names.map((name) => `${readFileSync(join(folder, name), 'utf8').trim()}\n`).join('\n');
}
