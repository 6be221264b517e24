/** Checks whom a server admits, without sockets: unknown hosts, other sites' pages, wrong tokens, full servers. */
import { expect, test } from "vitest";
import { type AdmissionRequest, type AdmissionRules, admit } from "./admission.ts";
import { AuthRateLimit } from "./auth-rate-limit.ts";
import { type KnownHostsOptions, knownHosts } from "./known-hosts.ts";

const MACHINE = { hostname: "Box.lan", addresses: ["192.0.2.7", "fd00::7", "fe80::7%eth0"] };
const LOCAL: KnownHostsOptions = { host: "127.0.0.1", port: 7077, secure: false, allowHosts: [], machine: MACHINE };
const JOIN: AdmissionRequest = {
  kind: "join",
  address: "192.0.2.1",
  host: "localhost:7077",
  origin: undefined,
  token: undefined,
};

interface Circumstances extends Omit<AdmissionRules, "hosts"> {
  nowMs: number;
  sessions: number;
  rateLimit: AuthRateLimit;
  hosts: Partial<KnownHostsOptions>;
}

function decide(
  request: Partial<AdmissionRequest>,
  { nowMs = 0, sessions = 0, rateLimit = new AuthRateLimit(3), hosts = {}, ...options }: Partial<Circumstances> = {},
) {
  return admit(
    nowMs,
    { sessions, rateLimit },
    { ...JOIN, ...request },
    {
      token: undefined,
      secure: hosts.secure ?? false,
      refusedJoinsPerMinute: 3,
      maxWorkers: 2,
      ...options,
      hosts: knownHosts({ ...LOCAL, ...hosts }),
    },
  );
}

const ACCEPT = { verdict: "accept" };
const refusal = (status: number) => expect.objectContaining({ verdict: "refuse", status });

const everywhere = { host: "0.0.0.0" };
test.each([
  ["localhost:7077", {}],
  ["LOCALHOST:7077", {}],
  ["127.0.0.1:7077", {}],
  ["[::1]:7077", {}],
  ["[0:0:0:0:0:0:0:1]:7077", {}],
  ["192.0.2.7:7077", { host: "192.0.2.7" }],
  ["[fd00::7]:7077", { host: "fd00::7" }],
  ["192.0.2.7:7077", everywhere],
  ["[fd00::7]:7077", { host: "::" }],
  ["box.lan:7077", everywhere],
  ["box:7077", everywhere],
  ["box.local:7077", everywhere],
  ["train.example.org", { allowHosts: ["train.example.org"] }],
  ["train.example.org:8000", { allowHosts: ["Train.Example.org"] }],
  ["train.example.org:8000", { allowHosts: ["train.example.org:8000"] }],
  ["[fd00::9]:1234", { allowHosts: ["fd00::9"] }],
  ["localhost", { port: 80 }],
  ["localhost", { port: 443, secure: true }],
])("the host name %s is known with %j", (host, hosts) => {
  expect(decide({ host }, { hosts })).toEqual(ACCEPT);
  expect(decide({ host, kind: "page" }, { hosts })).toEqual(ACCEPT);
});

test.each([
  [undefined, {}],
  ["", {}],
  ["evil.example:7077", {}],
  ["localhost.evil.example:7077", {}],
  ["evil.example:7077@localhost:7077", {}],
  ["localhost:7077/evil.example", {}],
  ["localhost", {}],
  ["localhost:7078", {}],
  ["192.0.2.7:7077", {}],
  ["box:7077", {}],
  ["192.0.2.8:7077", everywhere],
  ["train.example.org:8001", { allowHosts: ["train.example.org:8000"] }],
  ["a.train.example.org", { allowHosts: ["train.example.org"] }],
  ["localhost", { port: 80, secure: true }],
])("the host name %s is unknown with %j", (host, hosts) => {
  expect(decide({ host }, { hosts })).toEqual(refusal(403));
  expect(decide({ host, kind: "page" }, { hosts })).toEqual(refusal(403));
});

test.each(["", "a b", "http://example.org", "a/b", "a:b"])("an allowed host of %j is refused", (allowed) => {
  expect(() => knownHosts({ ...LOCAL, allowHosts: [allowed] })).toThrow(
    expect.objectContaining({ code: "ERR_OPTION" }),
  );
});

test("a refused host name is printed shortened and without control characters", () => {
  const answer = decide({ host: `\x1b[2J${"a".repeat(10_000)}\n` });
  const reason = "reason" in answer ? answer.reason : "";
  expect(reason).toMatch(/^[\x20-\x7e]{1,300}$/);
});

test("a page can join only if it is one of the coordinator's own pages", () => {
  expect(decide({ origin: "http://localhost:7077" })).toEqual(ACCEPT);
  const secure = { hosts: { secure: true } };
  expect(decide({ origin: "https://localhost:7077" }, secure)).toEqual(ACCEPT);
  for (const origin of [
    "http://evil.example",
    "http://localhost:7078",
    "http://localhost",
    "http://127.0.0.1:7077",
    "https://localhost:7077",
    "http://localhost:7077.evil.example",
    "http://evil.example@localhost:7077",
    "null",
    "",
  ]) {
    expect(decide({ origin })).toEqual(refusal(403));
    expect(decide({ origin, kind: "page" })).toEqual(ACCEPT);
  }
  expect(decide({ origin: "http://localhost:7077" }, secure)).toEqual(refusal(403));
});

test("a worker needs the required token to join, and no response contains it", () => {
  expect(decide({ token: "right" }, { token: "right" })).toEqual(ACCEPT);
  expect(decide({ token: "any" })).toEqual(ACCEPT);
  for (const token of [undefined, "wrong", "righ", "right1"]) {
    const answer = decide({ token }, { token: "right" });
    expect(answer).toEqual(refusal(401));
    expect(JSON.stringify(answer)).not.toMatch(/right|wrong/);
  }
  expect(decide({ kind: "page" }, { token: "right" })).toEqual(ACCEPT);
});

test("an address with too many refused joins is refused for a minute, even with the right token; other addresses are not", () => {
  const rateLimit = new AuthRateLimit(3);
  const options = { token: "right", rateLimit };
  for (const nowMs of [0, 1000, 2000]) {
    expect(decide({ token: "wrong" }, { ...options, nowMs })).toEqual(refusal(401));
    rateLimit.add(nowMs, JOIN.address);
  }
  expect(decide({ token: "wrong" }, { ...options, nowMs: 3000 })).toEqual(refusal(429));
  expect(decide({ token: "right" }, { ...options, nowMs: 59_999 })).toEqual(refusal(429));
  expect(decide({ token: "right", address: "192.0.2.2" }, { ...options, nowMs: 3000 })).toEqual(ACCEPT);
  expect(decide({ kind: "page" }, { ...options, nowMs: 3000 })).toEqual(ACCEPT);
  expect(decide({ token: "right" }, { ...options, nowMs: 60_000 })).toEqual(ACCEPT);
});

test("a full server says that it is full only to a worker with the token", () => {
  const options = { token: "right", sessions: 2 };
  expect(decide({ token: "right" }, { ...options, sessions: 1 })).toEqual(ACCEPT);
  expect(decide({ token: "right" }, options)).toEqual(refusal(503));
  expect(decide({ token: "wrong" }, options)).toEqual(refusal(401));
});
