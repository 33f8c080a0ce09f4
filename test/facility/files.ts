// Facility files for tests: one that is right, of which a case replaces the section it is about. A `¶` marks each place
// where a problem is expected.

export const SECTIONS = {
  head: `facility: riverside
acs_system_id: 88888888-8888-8888-8888-888888888888
time_zone: Europe/Oslo
`,
  mqtt: 'mqtt: {url: mqtts://broker.example}\n',
  store: 'store: {events: {keep: 90d}}\n',
  buses: `buses:
  north: {driver: fake, port: /dev/ttyUSB0}
`,
  controllers: `controllers:
  reader: {bus: north, unit: 1, model: keypad-reader, card_formats: [H10301, H10302, uid]}
  relays: {bus: north, unit: 2}
  panel: {bus: north, unit: 3, model: panel}
`,
  entrances: `entrances:
  lobby:
    acs_entrance_id: 55555555-5555-5555-5555-555555555555
    readers: [reader]
    strike: {controller: relays, output: 0}
  store-room:
    acs_entrance_id: 55555555-5555-5555-5555-000000000000
    controller: panel
`,
  policy: '',
} as const;

export type Sections = Partial<Record<keyof typeof SECTIONS, string>>;

export const fileOf = (sections: Sections): string => Object.values({ ...SECTIONS, ...sections }).join('');

/** The text without its marks, and where they were: `12:5`. */
export function unmarked(marked: string): { text: string; places: string[] } {
  const places: string[] = [];
  const lines = marked.split('\n').map((line, i) => {
    const parts = line.split('¶');
    let column = 1;
    for (const part of parts.slice(0, -1)) {
      column += part.length;
      places.push(`${i + 1}:${column}`);
    }
    return parts.join('');
  });
  return { text: lines.join('\n'), places };
}
