/** Generates docs/errors.md from the catalogue. */
import { catalogue } from "../catalogue.ts";

const HEAD = `# Errors

A command that fails prints \`CODE: message\` and ends with status 1. With \`--log json\` the line has the fields \`code\` and
\`message\`. The message says what was expected, what came, and what to do; this page explains each code. Codes stay the
same; messages may change. Anything else that is printed with a stack trace is a defect: please report it.

A worker that is refused or dropped receives the code, too, and so does a coordinator whose worker cannot continue.

This page is generated from [catalogue.ts](../packages/errors/src/catalogue.ts). A test keeps it current;
\`pnpm vitest run packages/errors -u\` generates it again.
`;

/** Returns the content of docs/errors.md. */
export function errorsDocument(): string {
  const sections = Object.entries(catalogue).map(([title, group]) => {
    const rows = Object.entries(group).map(
      ([code, { meaning, remedy }]) => `| \`${code}\` | ${meaning} | ${remedy} |\n`,
    );
    return `\n## ${title}\n\n| code | meaning | what to do |\n| --- | --- | --- |\n${rows.join("")}`;
  });
  return HEAD + sections.join("");
}
