/** docs/errors.md, as it follows from the catalogue. */
import { catalogue } from "../catalogue.ts";

const HEAD = `# Errors

A command that fails prints \`CODE: message\` and ends with status 1; with \`--log json\` they are the fields \`code\` and
\`message\` of a line. The message tells what was expected, what came and what to do; this page tells what each code
means. Codes stay the same, messages may change. Anything else that is printed with a stack is a defect: please report it.

A worker that is refused or dropped is told the code, too, and so is a coordinator whose worker can't go on.

This page is made from [catalogue.ts](../packages/errors/src/catalogue.ts), and a test keeps it current:
\`pnpm vitest run packages/errors -u\` writes it anew.
`;

/** Returns the content of docs/errors.md. */
export function errorsDocument(): string {
  const sections = Object.entries(catalogue).map(([title, group]) => {
    const rows = Object.entries(group).map(
      ([code, { meaning, remedy }]) => `| \`${code}\` | ${meaning} | ${remedy} |\n`,
    );
    return `\n## ${title}\n\n| code | what it means | what to do |\n| --- | --- | --- |\n${rows.join("")}`;
  });
  return HEAD + sections.join("");
}
