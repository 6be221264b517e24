/**
 * Setup of unit tests: a test that starts a process or loads the native engine fails, even if the tested code handles
 * the error. Name such a test `x.integration.test.ts`.
 */
import childProcess from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import { afterAll } from "vitest";

const violations = new Set<string>();

function refuse(action: string): never {
  violations.add(action);
  throw new Error(`A unit test must not ${action}. Name its file *.integration.test.ts.`);
}

for (const name of ["spawn", "spawnSync", "exec", "execSync", "execFile", "execFileSync", "fork"] as const) {
  Object.assign(childProcess, { [name]: () => refuse(`start a process (${name})`) });
}
syncBuiltinESMExports();

const dlopen = process.dlopen;
process.dlopen = (module: object, file: string, ...flags: []) => {
  if (file.endsWith("tfjs_binding.node")) refuse("load the native engine");
  dlopen.call(process, module, file, ...flags);
};

afterAll(() => {
  if (violations.size > 0) throw new Error(`These unit tests tried to ${[...violations].join(", ")}.`);
});
