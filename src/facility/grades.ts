// What a facility file has of the functions by which access control systems are graded (1 to 4, after the public
// summaries of IEC 60839-11-1): one table, of which docs/grades.md and `lintel grade` are made. No assessment: the
// standard asks for much that no file can show.

import { z } from 'zod';
import type { ControllerSetup, EntranceSetup, Facility } from '../domain/facility.ts';

export const GRADES = [1, 2, 3, 4] as const;
export type Grade = (typeof GRADES)[number];

type Rule<Subject> = {
  id: string;
  /** From which grade on it is expected. */
  from: Grade;
  name: string;
  does: string;
  /** What brings it about; null: nothing does yet. */
  setting: string | null;
  has: (subject: Subject) => boolean;
};

type Place = { entrance: EntranceSetup; facility: Facility };

const always = (): boolean => true;

export const ENTRANCE_FUNCTIONS: readonly Rule<Place>[] = [
  {
    id: 'release',
    from: 1,
    name: 'Release for a set time',
    does: 'The lock is free for its time, for longer where a person needs it, and locks again at the end, at opening or at closing.',
    setting: 'entrances.*.strike',
    has: ({ entrance }) => entrance.strike !== null || entrance.decidedBy === 'controller',
  },
  {
    id: 'recognised',
    from: 1,
    name: 'Recognition by something held or known',
    does: 'A card, a code or a phone is asked for, or a card and the code of the same person.',
    setting: 'entrances.*.factors',
    has: ({ entrance }) => entrance.readers.length > 0 || entrance.decidedBy === 'controller',
  },
  {
    id: 'shown',
    from: 1,
    name: 'The person sees the decision',
    does: 'The reader shows granted, denied or prompt, and nothing that would tell a wrong code from a late one.',
    setting: 'entrances.*.feedback',
    has: always,
  },
  {
    id: 'monitored',
    from: 2,
    name: 'The door is monitored',
    does: 'The contact tells opened, not opened, closed, forced and held, with a warning at the reader ahead of held.',
    setting: 'entrances.*.contact',
    has: ({ entrance }) => entrance.contact !== null || entrance.lift !== null,
  },
  {
    id: 'exit_known',
    from: 2,
    name: 'An exit is told from a door that is forced',
    does: 'The exit button or a reader inside expects the opening; no mode and no fault suppresses it.',
    setting: 'entrances.*.rex',
    has: ({ entrance }) => entrance.rex !== null || entrance.exitReaders.length > 0 || entrance.lift !== null,
  },
  {
    id: 'two_factors',
    from: 3,
    name: 'Two factors of the same person',
    does: 'Card first, then the code of its owner within ten seconds; somebody else’s code is a denial of its own.',
    setting: 'entrances.*.factors: card_and_code',
    has: ({ entrance }) => entrance.factors.includes('_and_'),
  },
  {
    id: 'line_encrypted',
    from: 3,
    name: 'The line to the reader is encrypted and supervised',
    does: 'OSDP with its secure channel required: a reader that is swapped or listened to is seen, and opens nothing.',
    setting: 'controllers.*.secure_channel: required',
    has: ({ entrance, facility }) => entrance.readers.length > 0 && entrance.readers.every((name) => isSecure(facility.controllers.find((one) => one.name === name))),
  },
  {
    id: 'biometric',
    from: 4,
    name: 'A biometric factor beside another',
    does: 'Card first, then a finger or face of its owner, compared by the reader with the template that Lintel gives it.',
    setting: 'entrances.*.factors: card_and_biometric',
    has: ({ entrance }) => entrance.factors === 'card_and_biometric',
  },
]; // prettier-ignore

export const FACILITY_FUNCTIONS: readonly Rule<Facility>[] = [
  {
    id: 'persons',
    from: 2,
    name: 'Each person known for themselves, with access by groups and hours',
    does: 'People, groups, grants, weekly schedules with holidays, windows to the millisecond, daylight saving included.',
    setting: 'time_zone',
    has: always,
  },
  {
    id: 'log',
    from: 2,
    name: 'A log of decisions, alarms and operations',
    does: 'Every decision, alarm and command is an event with its time and how good the clock was, kept over outages.',
    setting: 'store.events.keep',
    has: always,
  },
  {
    id: 'guessing',
    from: 2,
    name: 'Guessing of codes is bounded',
    does: 'Wrong codes lock the keypad for a while, and a day has a budget per door, card and facility, over restarts.',
    setting: 'policy.lockout',
    has: always,
  },
  {
    id: 'alone',
    from: 2,
    name: 'Decisions go on while nothing above is there',
    does: 'The gateway decides from its own database and keeps events until they are taken.',
    setting: 'policy.offline',
    has: always,
  },
  {
    id: 'link_encrypted',
    from: 3,
    name: 'The link upwards is encrypted',
    does: 'MQTT over TLS; the built-in broker on loopback never leaves the machine.',
    setting: 'mqtt.url: mqtts://',
    has: ({ mqtt }) => mqtt.url === null || /^(mqtts|wss|ssl|tls):/.test(mqtt.url),
  },
  {
    id: 'time',
    from: 3,
    name: 'Time that somebody vouches for',
    does: 'The clock is trusted only when the system says that it is synchronised, or a real-time clock is.',
    setting: 'clock.trust: kernel, rtc',
    has: ({ clockTrust }) => clockTrust !== 'always',
  },
  {
    id: 'override',
    from: 3,
    name: 'Overriding in an emergency',
    does: 'Inputs for fire and panic free or lock the doors at once, also on a full disk, and outlive a restart.',
    setting: 'mode_inputs',
    has: ({ modeInputs }) => modeInputs.length > 0,
  },
  {
    id: 'protected',
    from: 3,
    name: 'Records and log are protected against change',
    does: 'Rows are sealed with a key beside the database, events are chained by hash and signed; what was changed opens nothing.',
    setting: 'store.master_key',
    has: always,
  },
];

/** What the summaries leave to the risk of the site, in any grade. */
export type Chosen = Omit<Rule<Facility>, 'from' | 'setting'> & { setting: string };

const someArea =
  (has: (area: Facility['areas'][number]) => boolean) =>
  ({ areas }: Facility): boolean =>
    areas.some(has);

export const CHOSEN_FUNCTIONS: readonly Chosen[] = [
  {
    id: 'anti_passback',
    name: 'Nobody enters twice on one card',
    does: 'Hard, soft or timed, over as many doors as lead into an area; forgiven by command and by the clock. Leaving is never denied.',
    setting: 'areas.*.anti_passback',
    has: someArea(({ antiPassback }) => antiPassback !== null),
  },
  {
    id: 'limit',
    name: 'A most of people in an area',
    does: 'Who would be one too many is not let in; who is inside is listed for a muster.',
    setting: 'areas.*.limit',
    has: someArea(({ limit }) => limit !== null),
  },
  {
    id: 'two_persons',
    name: 'Two persons together',
    does: 'Two different people are shown at one door within a set time, each of whom may enter.',
    setting: 'areas.*.two_persons',
    has: someArea(({ twoPersonsMs }) => twoPersonsMs !== null),
  },
  {
    id: 'interlock',
    name: 'One door of a set at a time',
    does: 'While one is open or unlocked nobody is let in at the others; the exit button stays free, and that is told.',
    setting: 'interlocks.*.entrances',
    has: ({ interlocks }) => interlocks.length > 0,
  },
  {
    id: 'duress',
    name: 'A silent alarm under a threat',
    does: 'A person may have a second code that opens as the usual one and tells the officer; the reader shows nothing of it.',
    setting: 'entrances.*.factors',
    has: ({ entrances }) => entrances.some(({ factors }) => factors !== 'card'),
  },
];

export type Missing = { id: string; from: Grade; name: string; setting: string | null };
/** `grade` null: not even the first. `missing`: what keeps it from the grades above, those of the next one first. */
export type Reached = { grade: Grade | null; missing: readonly Missing[] };
export type FacilityGrade = {
  /** As the lowest of all. */
  grade: Grade | null;
  facility: Reached;
  entrances: readonly ({ entrance: string } & Reached)[];
  /** What is chosen by risk, and whether it is there. */
  chosen: readonly { id: string; name: string; setting: string; isSet: boolean }[];
};

export function gradeOf(facility: Facility): FacilityGrade {
  const whole = reached(FACILITY_FUNCTIONS, facility);
  const entrances = facility.entrances.map((entrance) => ({ entrance: entrance.name, ...reached(ENTRANCE_FUNCTIONS, { entrance, facility }) })); // prettier-ignore
  const chosen = CHOSEN_FUNCTIONS.map(({ id, name, setting, has }) => ({ id, name, setting, isSet: has(facility) }));
  const lowest = Math.min(...[whole, ...entrances].map(({ grade }) => grade ?? 0));
  return { grade: GRADES.find((grade) => grade === lowest) ?? null, facility: whole, entrances, chosen };
}

function reached<Subject>(rules: readonly Rule<Subject>[], subject: Subject): Reached {
  const missing = rules.filter(({ has }) => !has(subject)).map(({ id, from, name, setting }) => ({ id, from, name, setting })); // prettier-ignore
  missing.sort((a, b) => a.from - b.from);
  return { grade: GRADES.findLast((grade) => missing.every(({ from }) => from > grade)) ?? null, missing };
}

const secureChannel = z.object({ secure_channel: z.literal('required') });
const isSecure = (controller: ControllerSetup | undefined): boolean =>
  controller?.driver === 'osdp' && secureChannel.safeParse(controller.config).success;

/** The table of docs/grades.md. */
export function gradeTable(): string {
  const rows = [...ENTRANCE_FUNCTIONS, ...FACILITY_FUNCTIONS]
    .map(({ id, from, name, does, setting }) => ({ id, from, name, does, setting }))
    .sort((a, b) => a.from - b.from)
    .map(({ id, from, name, does, setting }) => `| ${from} | \`${id}\` | ${name} | ${does} | ${setting === null ? 'none' : `\`${setting}\``} |`); // prettier-ignore
  return ['| From grade | | Function | What Lintel does | Setting |', '|---|---|---|---|---|', ...rows].join('\n');
}

/** The second table of that page. */
export function chosenTable(): string {
  const rows = CHOSEN_FUNCTIONS.map(
    ({ id, name, does, setting }) => `| \`${id}\` | ${name} | ${does} | \`${setting}\` |`,
  );
  return ['| | Function | What Lintel does | Setting |', '|---|---|---|---|', ...rows].join('\n');
}
