// The building of every seed: a door with a way out, an area behind another, a door that wants card and code, and a
// panel that decides by its own table.

export const SYSTEM = '5eed0000-0000-4000-8000-000000000000';
export const ENTRANCES = {
  front: '5eed0000-0000-4000-8000-00000000e001',
  lab: '5eed0000-0000-4000-8000-00000000e002',
  vault: '5eed0000-0000-4000-8000-00000000e003',
  store: '5eed0000-0000-4000-8000-00000000e004',
} as const;
export type EntranceName = keyof typeof ENTRANCES;
export const ENTRANCE_NAMES = Object.keys(ENTRANCES) as EntranceName[];
/** By which output its strike is driven, and at which input its contact is; the panel drives its own. */
export const OUTPUT_OF: Readonly<Partial<Record<EntranceName, number>>> = { front: 0, lab: 1, vault: 2 };
export const PULSE_MS = 3_000;

export const FACILITY = `
facility: seeded
acs_system_id: ${SYSTEM}
display_name: Seeded
time_zone: Europe/Oslo
clock: {trust: kernel}
mqtt: {url: "mqtt://127.0.0.1:1"}
store: {path: FOLDER/lintel.db, events: {keep: 90d}}
buses:
  wall: {driver: seeded}
controllers:
  front: {bus: wall, card_formats: [H10301]}
  front-out: {bus: wall, card_formats: [H10301]}
  lab: {bus: wall, card_formats: [H10301]}
  lab-out: {bus: wall, card_formats: [H10301]}
  vault: {bus: wall, card_formats: [H10301]}
  board: {bus: wall}
  panel: {bus: wall, card_formats: [H10301], foreign_slots: report}
entrances:
  front:
    acs_entrance_id: ${ENTRANCES.front}
    display_name: Front
    readers: [front, front-out]
    exit_readers: [front-out]
    factors: card_or_code
    strike: {controller: board, output: 0, pulse: 3s}
  lab:
    acs_entrance_id: ${ENTRANCES.lab}
    display_name: Lab
    readers: [lab, lab-out]
    exit_readers: [lab-out]
    factors: card
    strike: {controller: board, output: 1, pulse: 3s}
    contact: {controller: board, input: 1, held_after: 30s}
  vault:
    acs_entrance_id: ${ENTRANCES.vault}
    display_name: Vault
    readers: [vault]
    factors: card_and_code
    strike: {controller: board, output: 2, pulse: 3s}
  store:
    acs_entrance_id: ${ENTRANCES.store}
    display_name: Store
    controller: panel
    door: 1
areas:
  lab: {display_name: Lab, in: [lab], out: [lab-out], anti_passback: hard}
policy:
  default_card_format: {format: H10301, facility_code: 1}
`;
