/** Compares the printed instructions for workers with lines written by hand, and looks for leaked tokens. */
import { expect, test } from "vitest";
import type { Endpoint } from "./endpoint.ts";
import { addressesOf, type Joining, joiningLines } from "./joining-lines.ts";

const LIMITS = { maxWorkers: 256, refusedJoinsPerMinute: 10, handshakeMs: 10_000 };
const WHERE = { port: 7077, anyPort: true, allowHosts: [] };
const LOCAL: Endpoint = {
  listen: { ...WHERE, ...LIMITS, host: "127.0.0.1" },
  loopback: true,
  fingerprint: undefined,
  tokenPath: undefined,
};
const OPEN: Endpoint = {
  listen: { ...WHERE, ...LIMITS, host: "0.0.0.0", token: "secret" },
  loopback: false,
  fingerprint: "AB:CD",
  tokenPath: "/home/ann/.config/lockstep/token",
};

const lines = (endpoint: Endpoint, joining: Partial<Joining> = {}) =>
  joiningLines({ endpoint, addresses: ["192.0.2.7"], port: 7078, isTerminal: true, args: [], ...joining });

test("on a terminal, the command for workers is complete", () => {
  expect(lines(OPEN)).toEqual([
    "  LOCKSTEP_TOKEN=secret pnpm worker --coordinator wss://192.0.2.7:7078 --tls-fingerprint AB:CD",
    "later starts reuse this token; to get a new one, delete /home/ann/.config/lockstep/token",
  ]);
});

test("off a terminal, no line contains the token, wherever it comes from", () => {
  const options = { ...OPEN, tokenPath: undefined };
  expect(lines(options, { isTerminal: false })).toEqual([
    "  LOCKSTEP_TOKEN=… pnpm worker --coordinator wss://192.0.2.7:7078 --tls-fingerprint AB:CD",
    "… is the token that this coordinator was started with; it is printed only on a terminal",
  ]);
  const local = { ...LOCAL, listen: { ...LOCAL.listen, token: "secret" } };
  for (const args of [["--token", "secret"], ["--token=secret"], ["--", "--token", "secret", "--workers", "3"]]) {
    expect(lines(local, { isTerminal: false, args }).join("\n")).not.toContain("secret");
    expect(lines(local, { args }).at(-1)).not.toContain("secret");
  }
});

test("a stored token is named by its file where it is not printed", () => {
  expect(lines(OPEN, { isTerminal: false })[1]).toBe(
    "… is the token in /home/ann/.config/lockstep/token; it is printed only on a terminal",
  );
});

test("for a code model, the command names the file, and other machines need their own copy", () => {
  const codeModel = "/home/ann/my nets/net.ts";
  expect(lines(LOCAL, { codeModel })[0]).toBe(
    "  pnpm worker --coordinator ws://192.0.2.7:7078 --model '/home/ann/my nets/net.ts'",
  );
  expect(lines(OPEN, { codeModel }).slice(0, 2)).toEqual([
    "  LOCKSTEP_TOKEN=secret pnpm worker --coordinator wss://192.0.2.7:7078 --tls-fingerprint AB:CD --model '/home/ann/my nets/net.ts'",
    "the model is a code file, which is never sent: --model names each machine's own copy of the file",
  ]);
});

test("all addresses are printed, with IPv6 in brackets", () => {
  const [command, others] = lines(OPEN, { addresses: ["train.example.org:443", "192.0.2.7", "fd00::7"] });
  expect(command).toContain("--coordinator wss://train.example.org:443 ");
  expect(others).toBe("other addresses of this machine: 192.0.2.7:7078, [fd00::7]:7078");
});

test("without TLS on a network, the command accepts it explicitly, and a warning explains the risk", () => {
  const [command, , warning] = lines({ ...OPEN, fingerprint: undefined });
  expect(command).toBe("  LOCKSTEP_TOKEN=secret pnpm worker --coordinator ws://192.0.2.7:7078 --insecure");
  expect(warning).toMatch(/^WARNING: without TLS, anyone on the network path can read and change/);
});

test("on loopback, the command needs no secrets, and a note says how to admit other machines", () => {
  const args = ["--model", "my net.ts", "--workers", "3"];
  expect(lines(LOCAL, { addresses: addressesOf(LOCAL), args })).toEqual([
    "  pnpm worker --coordinator ws://127.0.0.1:7078",
    "only workers on this machine can join; to let other machines join, with a token and TLS, start it with:",
    "  pnpm coordinator --model 'my net.ts' --workers 3 --host 0.0.0.0",
  ]);
});

test("the names from --allow-host come first, then the addresses of the interfaces", () => {
  const named = { ...OPEN, listen: { ...OPEN.listen, host: "192.0.2.7", allowHosts: ["train.example.org"] } };
  expect(addressesOf(named)).toEqual(["train.example.org", "192.0.2.7"]);
});
