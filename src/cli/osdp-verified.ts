// The card of `lintel osdp verified`: what the public test programme asks of a control panel, by profile, and what of it
// Lintel does.

import { CASES, isOf, isRequired, PROFILES, type Case, type Profile } from '../../drivers/osdp/verified.ts';
import { memberOf } from '../domain/named.ts';
import { nearest } from '../domain/words.ts';
import { painter, type Terminal, UsageError } from './terminal.ts';

const WORDS: Readonly<Record<Case['does'], string>> = { yes: 'yes', not_offered: 'not offered' };
const COLOURS = { yes: 'green', not_offered: 'red' } as const;
const BY_NAME = Object.fromEntries(PROFILES.map((profile) => [profile.replaceAll(/[ /]/g, '-'), profile]));

/** Without a profile: the counts of each. With one: its cases that are not a plain yes, and all of them as JSON. */
export function tellVerified(name: string | undefined, json: boolean, terminal: Terminal): void {
  const profile = name === undefined ? null : profileOf(name);
  const cases = profile === null ? CASES : CASES.filter((one) => isOf(one, profile));
  if (json) terminal.out(`${JSON.stringify({ profiles: PROFILES, cases })}\n`);
  else terminal.out(profile === null ? counts() : card(profile, cases, terminal));
}

function profileOf(name: string): Profile {
  const profile = memberOf(BY_NAME, name);
  if (profile !== undefined) return profile;
  const known = Object.keys(BY_NAME);
  const meant = nearest(name, known);
  throw new UsageError(
    `there is no profile ${name}: ${meant === null ? `there are ${known.join(', ')}` : `did you mean ${meant}?`}`,
  );
}

function counts(): string {
  const lines = PROFILES.map((profile) => {
    const required = CASES.filter((one) => isRequired(one, profile));
    const all = CASES.filter((one) => isOf(one, profile));
    const yes = (of: readonly Case[]): string => `${of.filter(({ does }) => does === 'yes').length} of ${of.length}`;
    return `${profile.padEnd(22)} required: ${yes(required).padEnd(10)} all: ${yes(all)}\n`;
  });
  return lines.join('');
}

function card(profile: Profile, cases: readonly Case[], terminal: Terminal): string {
  const paint = painter(terminal);
  return cases
    .map((one) => {
      const need = isRequired(one, profile) ? 'required' : 'optional';
      const why = one.why === null ? '' : `: ${one.why}`;
      return `${one.id}  ${need}  ${paint(COLOURS[one.does], WORDS[one.does])}  ${one.asks}${why}\n`;
    })
    .join('');
}
