/** Checks, for every option that the program declares, whether the command to continue has to repeat it. */
import { tidyArguments } from "@lockstep/config";
import { coordinatorProgram } from "@lockstep/config/programs";
import { defined } from "@lockstep/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { stoppedCoordinatorLine } from "./stopped-line.ts";

beforeEach(() => vi.stubEnv("LOCKSTEP_TOKEN", undefined));
afterEach(() => vi.unstubAllEnvs());

function stopped(words: string, { port = 7077, isTerminal = true } = {}): string {
  const program = coordinatorProgram().parse(tidyArguments(["coordinator", ...words.split(" ")]).slice(1), {
    from: "user",
  });
  const done = { steps: 7, allSteps: 9, test: true };
  const line = stoppedCoordinatorLine(program, { dir: "runs/a", done, port, isTerminal });
  return line.replace("stopped after 7 steps; continue with: ", "");
}

test("the stop line repeats every typed option that the run's folder does not store", () => {
  const savedOptions = "--model net.ts --lr 0.1 --num-epochs 3 --no-test --batch-size-per-worker 8 --out runs/a";
  const others = [
    "--host 0.0.0.0 --port 7078 --tls-cert /c.pem --tls-key /k.pem --allow-host a.example --allow-host b.example:1",
    "--max-workers 9 --refused-joins-per-minute 2 --handshake-ms 500 --workers 3 --heartbeat-ms 200",
    "--stall-ms 9000 --min-workers 2 --balance even --keep-open --log json",
  ].join(" ");
  const line = stopped(`${savedOptions} ${others}`);
  expect(line).toMatch(/^pnpm coordinator --resume runs\/a --/);
  const sorted = (words: string) => words.split(/ (?=--)/).sort();
  expect(sorted(line.replace("pnpm coordinator --resume runs/a ", ""))).toEqual(sorted(others));
});

test("every option of the coordinator is saved in the run's folder, left to the environment, or pasted", () => {
  const options = coordinatorProgram().options.filter(({ long }) => long !== "--resume");
  expect(options.length).toBeGreaterThan(40);
  const pasted = options.flatMap(({ long, flags, argChoices }) => {
    const value = flags.includes("<") ? [argChoices?.[0] ?? "3"] : [];
    const line = stopped([defined(long, "a long flag"), ...value].join(" "));
    return line.includes(` ${long} `) || line.endsWith(` ${long}`) ? [long] : [];
  });
  expect(pasted).toEqual(
    ["--host", "--port", "--tls", "--tls-cert", "--tls-key", "--allow-host", "--max-workers"].concat(
      ["--refused-joins-per-minute", "--handshake-ms", "--log", "--workers", "--heartbeat-ms", "--stall-ms"],
      ["--min-workers", "--balance", "--keep-open"],
    ),
  );
});

test("the stop line contains the token only on a terminal", () => {
  expect(stopped("--token secret")).toBe("LOCKSTEP_TOKEN=secret pnpm coordinator --resume runs/a");
  vi.stubEnv("LOCKSTEP_TOKEN", "secret");
  expect(stopped("--workers 3", { isTerminal: false })).toBe(
    "LOCKSTEP_TOKEN=… pnpm coordinator --resume runs/a --workers 3",
  );
});

test("the stop line names a port other than the default, where workers try to reconnect", () => {
  expect(stopped("--workers 3", { port: 7079 })).toBe("pnpm coordinator --resume runs/a --workers 3 --port 7079");
});
