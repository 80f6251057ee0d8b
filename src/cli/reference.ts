import { PROGRAM } from './command.ts';
import { COMMAND_GROUPS } from './commands.ts';
import { descriptionOf, optionWithValue, usageOf } from './help.ts';
import { groupOptions } from './option-groups.ts';

/** The reference of all commands as Markdown, from what their helps are made of. */
export function cliReference(): string {
  const lines = [
    '# Commands',
    '',
    `<!-- Written by \`npm run docs\`: change the commands, not this page. -->`,
    '',
    `\`${PROGRAM} COMMAND --help\` shows the same in a terminal.`,
  ];
  for (const [title, commands] of COMMAND_GROUPS)
    lines.push(
      '',
      `**${title}**`,
      '',
      ...commands.map(({ name, description }) => `- [${name}](#${name}): ${description}`),
    );
  for (const { name, description, args, content } of COMMAND_GROUPS.flatMap(([, commands]) => commands)) {
    lines.push('', `## ${name}`, '', `${description}.`, '', '```', usageOf(content), '```');
    for (const { line, does } of content.examples)
      lines.push('', `${capital(does)}:`, '', '```', `${PROGRAM} ${line}`, '```');
    const positionals = Object.entries(args).filter(([, { type }]) => type === 'positional');
    if (positionals.length > 0)
      lines.push(
        '',
        ...positionals.map(([word, { description: does = '' }]) => `- **${word.toUpperCase()}**: ${does}`),
      );
    const options = Object.keys(args).filter((option) => args[option]!.type !== 'positional');
    for (const [group, names] of groupOptions(options)) {
      lines.push('', `| ${group} | |`, '|---|---|');
      for (const option of names) {
        const definition = args[option]!;
        lines.push(
          `| \`${cell(optionWithValue(option, definition))}\` | ${cell(descriptionOf(definition))} |`,
        );
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
const capital = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}`;
