// Reads a command line against the options that a command has. Nothing is guessed: what is not known is refused, with
// the nearest that is.

import { nearest } from '../domain/words.ts';
import { UsageError } from './terminal.ts';

export type Option = {
  /** As typed behind `--`, with hyphens. */
  name: string;
  /** What its value is called in the help; null: a switch, which takes none. */
  value: string | null;
  description: string;
  /** May be given more than once. */
  many?: boolean;
  required?: boolean;
};

export class Given {
  readonly words: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(words: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.words = words;
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The value of an option; null where it was not given. */
  text(name: string): string | null {
    return this.#values.get(name)?.at(-1) ?? null;
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** A switch; null where it was not given, false for its `--no-` form. */
  switched(name: string): boolean | null {
    const value = this.text(name);
    return value === null ? null : value === 'true';
  }

  whole(name: string, from: number, to: number): number | null {
    const text = this.text(name);
    if (text === null) return null;
    const value = Number(text);
    if (/^[0-9]{1,15}$/.test(text) && value >= from && value <= to) return value;
    throw new UsageError(`--${name}: a whole number from ${from} to ${to}`);
  }
}

/**
 * `--name value`, `--name=value`, `--switch`, `--no-switch`; underscores count as hyphens; everything behind `--` is a
 * word.
 */
export function readOptions(argv: readonly string[], options: readonly Option[], help: string): Given {
  const words: string[] = [];
  const values = new Map<string, string[]>();
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--') {
      words.push(...argv.slice(i + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      words.push(word);
      continue;
    }
    const [typed, attached] = splitAtEquals(word);
    const { option, isNegated } = find(typed, options, help);
    if (option.value === null) {
      if (attached !== null) throw new UsageError(`--${option.name} is a switch and takes no value`);
      values.set(option.name, [isNegated ? 'false' : 'true']);
      continue;
    }
    const value = attached ?? argv[++i];
    if (value === undefined) throw new UsageError(`--${option.name} needs a value: --${option.name} ${option.value}`);
    if (attached === null && value.startsWith('--'))
      throw new UsageError(
        `--${option.name} needs a value, and ${value} looks like an option. Where it is meant: --${option.name}=${value}`,
      );
    const before = values.get(option.name) ?? [];
    if (before.length > 0 && option.many !== true) throw new UsageError(`--${option.name} is given twice`);
    values.set(option.name, [...before, value]);
  }
  return new Given(words, values);
}

function splitAtEquals(word: string): [string, string | null] {
  const at = word.indexOf('=');
  return at === -1 ? [word, null] : [word.slice(0, at), word.slice(at + 1)];
}

function find(typed: string, options: readonly Option[], help: string): { option: Option; isNegated: boolean } {
  const name = typed.replace(/^--?/, '').replaceAll('_', '-');
  const option = options.find((one) => one.name === name);
  if (option !== undefined && typed.startsWith('--')) return { option, isNegated: false };
  const negated = options.find((one) => one.value === null && `no-${one.name}` === name);
  if (negated !== undefined) return { option: negated, isNegated: true };
  const meant = nearest(
    name,
    options.map((one) => one.name),
  );
  throw new UsageError(
    `there is no option ${typed}.${meant === null ? '' : ` Did you mean --${meant}?`} All options: ${help}`,
  );
}

/** Too many words are a mistake as well: a forgotten quote, most often. */
export function noMoreWords(words: readonly string[], most: number, usage: string): void {
  const extra = words[most];
  if (extra !== undefined) throw new UsageError(`"${extra}" is too much here. Usage: ${usage}`);
}
