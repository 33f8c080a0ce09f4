// What is wrong with a profile, each with its remedy, for a message of several lines.

import type { ConfigProblem } from '../domain/ports.ts';

export const problemText = (problems: readonly ConfigProblem[]): string =>
  problems.map(({ message, remedy }) => `${message}. Remedy: ${remedy}`).join('\n        ');
