import { UsageError } from '../core/errors.ts';
import { type Command, command, PROGRAM } from './command.ts';

const SHELLS = ['bash'];

/**
 * Makes the command that prints a completion script.
 * @param commands what there is to complete, this command included
 */
export function completionCommand(commands: () => readonly Command[]): Command {
  return command({
    name: 'completion',
    description: 'Print a script that completes commands and options in a shell',
    args: {
      shell: { type: 'positional', description: `Which shell: ${SHELLS.join(', ')}`, required: false },
    },
    examples: [
      { line: 'completion bash > ~/.voxelgrad-completion', does: 'then `source` that file in ~/.bashrc' },
    ],
    async run(options, output) {
      const shell = options.text('shell') ?? 'bash';
      if (!SHELLS.includes(shell))
        throw new UsageError(`there is no completion for ${JSON.stringify(shell)}`, {
          hint: `Shells are ${SHELLS.join(', ')}; zsh reads bash's after \`autoload bashcompinit && bashcompinit\`.`,
        });
      const script = bashCompletion(commands());
      output.result({ shell, script }, script.trimEnd());
    },
  });
}

/** Completion for bash: commands, a command's options, an option's values where they are known, else files. */
export function bashCompletion(commands: readonly Command[]): string {
  const cases = commands.map(({ name, args }) => {
    const options = Object.keys(args).filter((option) => args[option]!.type !== 'positional');
    return `    ${name}) options="${[...options.map((option) => `--${option}`), '--help'].join(' ')}" ;;`;
  });
  const values = commands.flatMap(({ name, args }) =>
    Object.entries(args).flatMap(([option, definition]) =>
      definition.type === 'enum' && definition.options
        ? [`    "${name} --${option}") values="${definition.options.join(' ')}" ;;`]
        : [],
    ),
  );
  return `# bash completion of ${PROGRAM}; written by \`${PROGRAM} completion bash\`
_${PROGRAM}() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"
  local options="" values=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(' ')}" -- "$word"))
    return
  fi
  case "$command $before" in
${values.join('\n')}
  esac
  if [ -n "$values" ]; then
    COMPREPLY=($(compgen -W "$values" -- "$word"))
    return
  fi
  case "$command" in
${cases.join('\n')}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=() ;;
  esac
}
complete -o default -F _${PROGRAM} ${PROGRAM}
`;
}
