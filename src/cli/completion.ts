// `lintel completion SHELL`: a script by which the shell completes commands, verbs and options. A package installs
// them; without one, `source <(lintel completion bash)` does.

import type { Program } from './help.ts';
import { DONE, UsageError } from './terminal.ts';
import { vocabulary, type Command, type Entry, type OptionWord } from './vocabulary.ts';

const SHELLS = { bash, zsh, fish } as const;
const isShell = (word: string | undefined): word is keyof typeof SHELLS =>
  word === 'bash' || word === 'zsh' || word === 'fish';

export const completionProgram = (table: readonly Command[]): Program => ({
  help: () => ({
    usage: ['lintel completion bash|zsh|fish'],
    about: 'A script by which the shell completes commands, verbs and options. A package brings it along.',
    examples: ['source <(lintel completion bash)', 'lintel completion fish > ~/.config/fish/completions/lintel.fish'],
  }),
  async run([shell, ...rest], terminal) {
    if (!isShell(shell) || rest.length > 0) throw new UsageError('say which shell: bash, zsh or fish');
    terminal.out(SHELLS[shell](await vocabulary(table)));
    return DONE;
  },
});

/** What may stand behind `lintel`, by what stands before it: '' for commands, `users`, `users create`. */
function tables(entries: readonly Entry[]): [string, readonly string[]][] {
  const flags = (options: readonly OptionWord[]): string[] => options.map(({ name }) => `--${name}`);
  return entries.flatMap(({ name, words }): [string, readonly string[]][] => [
    [name, [...words.verbs.map((verb) => verb.name), ...flags(words.options), '--help']],
    ...words.verbs.map((verb): [string, readonly string[]] => [
      `${name} ${verb.name}`,
      [...flags(verb.options), '--help'],
    ]),
  ]);
}

/** Options whose value is a file, of whatever command. */
function fileOptions(entries: readonly Entry[]): string[] {
  const all = entries.flatMap(({ words }) => [...words.options, ...words.verbs.flatMap(({ options }) => options)]);
  const named = all.filter(({ value }) => value === 'FILE' || value === 'PATH').map(({ name }) => `--${name}`);
  return [...new Set(named)].sort();
}

/** Commands, or verbs of them, that are followed by a file. */
function takesFile(entries: readonly Entry[]): string[] {
  const hasFile = (usage: readonly string[]): boolean =>
    usage.some((line) => / \[?FILE\]?( |$)/.test(line.replaceAll(/--\S+ FILE/g, '')));
  return entries.flatMap(({ name, page, words }) => [
    ...(words.verbs.length === 0 && hasFile(page.usage) ? [name] : []),
    ...words.verbs.filter((verb) => hasFile(verb.page.usage)).map((verb) => `${name} ${verb.name}`),
  ]);
}

/** The first sentence, or what of it stands in a list. */
const brief = (text: string): string => text.split(/(?<=[.;:]) /)[0]?.replace(/[.;:]$/, '') ?? '';

const names = (entries: readonly Entry[]): string =>
  [...entries.map(({ name }) => name), 'help', '--help', '--version'].join(' ');

function bash(entries: readonly Entry[]): string {
  return `# Completion of lintel for bash.
_lintel() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} words= files=
  local command=\${COMP_WORDS[1]-} verb=\${COMP_WORDS[2]-}
  COMPREPLY=()
  case $before in
    ${fileOptions(entries).join('|')}) files=yes ;;
    *)
      if ((COMP_CWORD == 1)); then
        words='${names(entries)}'
      else
        ((COMP_CWORD > 2)) || verb=
        case "$command $verb" in
${tables(entries)
  .filter(([path]) => path.includes(' '))
  .map(([path, words]) => `          '${path}') words='${words.join(' ')}' ;;`)
  .join('\n')}
          *)
            case $command in
${tables(entries)
  .filter(([path]) => !path.includes(' '))
  .map(([path, words]) => `              ${path}) words='${words.join(' ')}' ;;`)
  .join('\n')}
            esac
            ;;
        esac
        case "$command $verb " in
          ${takesFile(entries)
            .map((path) => `'${path} '*`)
            .join('|')}) files=yes ;;
        esac
      fi
      ;;
  esac
  [[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  [[ -z $files ]] || { compopt -o filenames; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word"); }
}
complete -F _lintel lintel
`;
}

function zsh(entries: readonly Entry[]): string {
  const described = (rows: readonly (readonly [string, string])[]): string =>
    rows.map(([name, text]) => `'${`${name}:${brief(text)}`.replaceAll("'", `'\\''`)}'`).join(' ');
  const flags = (options: readonly OptionWord[]): string =>
    described([
      ...options.map(({ name, description }) => [`--${name}`, description] as const),
      ['--help', 'This and more'],
    ]);
  return `#compdef lintel
# Completion of lintel for zsh.
_lintel() {
  local -a verbs options
  case $words[CURRENT-1] in
    ${fileOptions(entries).join('|')}) _files; return ;;
  esac
  if ((CURRENT == 2)); then
    verbs=(${described(entries.map(({ name, summary }) => [name, summary] as const))})
    _describe command verbs
    return
  fi
  case "$words[2] \${words[3]-}" in
${entries
  .flatMap(({ name, words }) => [
    ...words.verbs.map((verb) => `    '${name} ${verb.name}') options=(${flags(verb.options)}) ;;`),
    `    '${name} '*) verbs=(${described(words.verbs.map((verb) => [verb.name, verb.summary] as const))}) options=(${flags(words.options)}) ;;`,
  ])
  .join('\n')}
  esac
  ((CURRENT > 3)) && verbs=()
  (($#verbs)) && _describe verb verbs
  (($#options)) && _describe -o option options
  case "$words[2] \${words[3]-} " in
    ${takesFile(entries)
      .map((path) => `'${path} '*`)
      .join('|')}) _files ;;
  esac
}
compdef _lintel lintel
`;
}

function fish(entries: readonly Entry[]): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", `\\'`)}'`;
  const line = (condition: string, rest: string, description: string): string =>
    `complete -c lintel -n ${quoted(condition)} ${rest} -d ${quoted(brief(description))}`;
  const flags = (condition: string, options: readonly OptionWord[]): string[] =>
    options.map(({ name, value, description }) =>
      line(
        condition,
        `-l ${name}${value === null ? '' : value === 'FILE' || value === 'PATH' ? ' -r -F' : ' -x'}`,
        description,
      ),
    );
  const files = takesFile(entries);
  return `# Completion of lintel for fish.
complete -c lintel -f
${entries
  .flatMap(({ name, summary, words }) => {
    const seen = `__fish_seen_subcommand_from ${name}`;
    const verbs = words.verbs.map((verb) => verb.name).join(' ');
    return [
      line('__fish_use_subcommand', `-a ${name}`, summary),
      ...(files.includes(name) ? [`complete -c lintel -n ${quoted(seen)} -F`] : []),
      ...flags(verbs === '' ? seen : `${seen}; and not __fish_seen_subcommand_from ${verbs}`, words.options),
      ...words.verbs.flatMap((verb) => [
        line(`${seen}; and not __fish_seen_subcommand_from ${verbs}`, `-a ${verb.name}`, verb.summary),
        ...(files.includes(`${name} ${verb.name}`)
          ? [`complete -c lintel -n ${quoted(`${seen}; and __fish_seen_subcommand_from ${verb.name}`)} -F`]
          : []),
        ...flags(`${seen}; and __fish_seen_subcommand_from ${verb.name}`, verb.options),
      ]),
    ];
  })
  .join('\n')}
`;
}
