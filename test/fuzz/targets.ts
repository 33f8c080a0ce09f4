// Every parser of bytes from outside, by the name that `npm run fuzz` knows it by.

import type { Target } from './target.ts';
import { CARDS_AND_WORDS } from './targets/cards.ts';
import { COMMAND_TARGETS } from './targets/commands.ts';
import { FILES } from './targets/files.ts';
import { LOCAL } from './targets/local.ts';
import { OSDP } from './targets/osdp.ts';
import { PANELS } from './targets/panels.ts';
import { PHONES } from './targets/phones.ts';

export const TARGETS: readonly Target[] = [
  ...OSDP,
  ...PHONES,
  ...PANELS,
  ...CARDS_AND_WORDS,
  ...COMMAND_TARGETS,
  ...FILES,
  ...LOCAL,
];

export function targetNamed(name: string): Target {
  const target = TARGETS.find((one) => one.name === name);
  if (target !== undefined) return target;
  throw new Error(`there is no target ${name}. There are: ${TARGETS.map((one) => one.name).join(', ')}, and all`);
}
