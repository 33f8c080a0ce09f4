// The tables of events in docs/mqtt-api.md, made from the catalogue: what each type means and holds, and what each
// member of a body means.

import { eventCatalogue, eventTypes, type EventType } from '../domain/events.ts';
import { asNode, formsOf, textOf, writtenForm, type SchemaNode } from '../domain/words.ts';

const BEGIN = '<!-- The tables up to the next such line are made from the catalogue in src/domain/events.ts. -->';
const END = '<!-- End of what is made. -->';

/** The page with its tables of events made anew; what stands around them is written by hand and kept. */
export function withEvents(page: string): string {
  const [before = '', rest = ''] = page.split(BEGIN);
  const [, after = ''] = rest.split(END);
  return [before, BEGIN, '\n\n', types(), '\n\n', members(), '\n\n', END, after].join('');
}

type Member = { name: string; isRequired: boolean; node: SchemaNode };

function membersOf(type: EventType): Member[] {
  const form = writtenForm(eventCatalogue()[type].body);
  return Object.entries(form.properties ?? {}).flatMap(([name, value]) => {
    const node = asNode(value);
    return node === null ? [] : [{ name, node, isRequired: form.required?.includes(name) === true }];
  });
}

function types(): string {
  const rows = eventTypes().map((type) => {
    const names = membersOf(type)
      .filter(({ name }) => name !== 'acs_system_id')
      .map(({ name, isRequired }) => `\`${name}\`${isRequired ? '' : '?'}`);
    return `| \`${type}\` | ${eventCatalogue()[type].says} | ${names.join(', ')} |`;
  });
  return ['| event | what it says | body (`?`: not always) |', '|---|---|---|', ...rows].join('\n');
}

/** Each name once for each meaning that it has; where it has several, with the events that it has them in. */
function members(): string {
  const meanings = new Map<string, Map<string, string[]>>();
  for (const type of eventTypes())
    for (const { name, node } of membersOf(type)) {
      const told = meanings.get(name) ?? new Map<string, string[]>();
      meanings.set(name, told);
      const meaning = meaningOf(node);
      told.set(meaning, [...(told.get(meaning) ?? []), type]);
    }
  const rows = [...meanings]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, told]) => [...told].map(([meaning, types]) => row(name, meaning, told.size > 1 ? types : [])));
  return ['| member | meaning |', '|---|---|', ...rows].join('\n');
}

const row = (name: string, meaning: string, types: readonly string[]): string =>
  `| \`${name}\` | ${meaning.replaceAll('|', '\\|')}${types.length === 0 ? '' : ` (${types.map((type) => `\`${type}\``).join(', ')})`} |`;

function meaningOf(node: SchemaNode): string {
  const forms = formsOf(node);
  const form = forms.find(({ type }) => type !== 'null') ?? node;
  const words = textOf(node.description) ?? textOf(form.description) ?? '';
  const choices = form.enum?.map((choice) => `\`${String(choice)}\``).join(', ') ?? '';
  return [words, ...(choices === '' ? [] : [`one of ${choices}`])].join('; ');
}
