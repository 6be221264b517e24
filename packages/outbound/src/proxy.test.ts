/** Checks the choice of a proxy for each variable, exemption and kind of address, without a network. */
import { expect, test } from "vitest";
import { isLoopback, proxyFor } from "./proxy.ts";

const chosen = (url: string, env: Record<string, string>) => proxyFor(new URL(url), env)?.url.href;
const BOTH = { HTTPS_PROXY: "http://secure.example:3128", HTTP_PROXY: "http://plain.example:3128" };

test("HTTPS_PROXY applies to https and wss, HTTP_PROXY to http and ws", () => {
  for (const scheme of ["https", "wss"])
    expect(chosen(`${scheme}://a.example/`, BOTH)).toBe("http://secure.example:3128/");
  for (const scheme of ["http", "ws"])
    expect(chosen(`${scheme}://a.example/`, BOTH)).toBe("http://plain.example:3128/");
  expect(chosen("https://a.example", {})).toBeUndefined();
  expect(chosen("https://a.example", { HTTPS_PROXY: " " })).toBeUndefined();
});

test("a lower-case variable takes precedence, and its value needs no http:// prefix", () => {
  expect(chosen("https://a.example", { ...BOTH, https_proxy: "small.example:8080" })).toBe(
    "http://small.example:8080/",
  );
});

test.each(["http://localhost:1", "ws://127.0.0.1:7077", "wss://127.9.9.9", "ws://[::1]:7077"])(
  "no proxy is used for %s, which is this machine",
  (url) => {
    expect(chosen(url, BOTH)).toBeUndefined();
  },
);

test.each([
  ["a.example", true],
  ["example", true],
  [".example", true],
  ["*.example", true],
  ["b.example, A.Example", true],
  ["b.example a.example:8443", true],
  ["*", true],
  ["a.example:443", false],
  ["example.org,.b.a.example", false],
  ["xample", false],
  ["", false],
])("NO_PROXY=%j exempts a.example:8443: %s", (list, isDirect) => {
  expect(chosen("https://a.example:8443/", { ...BOTH, NO_PROXY: list }) === undefined).toBe(isDirect);
});

test("NO_PROXY exempts addresses and default ports", () => {
  expect(chosen("https://a.example", { ...BOTH, no_proxy: "a.example:443" })).toBeUndefined();
  expect(chosen("ws://192.0.2.7:7077", { ...BOTH, no_proxy: "192.0.2.7" })).toBeUndefined();
  expect(chosen("ws://[fd00::7]:7077", { ...BOTH, no_proxy: "fd00::7" })).toBeUndefined();
  expect(chosen("ws://[fd00::7]:7077", { ...BOTH, no_proxy: "[fd00::7]:7077" })).toBeUndefined();
});

test.each([
  ["10.0.0.0/8", "10.1.2.3", true],
  ["10.0.0.0/8", "11.1.2.3", false],
  ["192.168.1.7/24,a.example", "192.168.1.200", true],
  ["192.0.2.7/32", "192.0.2.8", false],
  ["0.0.0.0/0", "192.0.2.8", true],
  ["0.0.0.0/0", "[fd00::7]", false],
  ["fd00::/8", "[fd12::7]", true],
  ["[fd00::]/8", "[fd12::7]", true],
  ["fd00::/8", "[fe00::7]", false],
  ["fd00:0:0::7", "[fd00::7]", true],
  ["10.0.0.0/33", "10.1.2.3", false],
  ["10.0.0.0/8", "10.example", false],
  ["a.example/8", "a.example", false],
])("NO_PROXY=%s exempts %s: %s", (list, host, isDirect) => {
  expect(chosen(`https://${host}`, { ...BOTH, NO_PROXY: list }) === undefined).toBe(isDirect);
});

test.each([
  ["socks5://user:secret@proxy.example:1080", "socks5://…"],
  ["user:secret@:99999", "another value"],
])("the error for the proxy %s does not contain its password", (value, got) => {
  expect(() => chosen("https://a.example", { HTTPS_PROXY: value })).toThrow(
    expect.objectContaining({
      code: "ERR_PROXY",
      message: `Expected HTTPS_PROXY to be the address of an HTTP proxy, such as http://proxy.example.org:3128, got ${got}. Correct the variable or unset it.`,
    }),
  );
});

test("a host is loopback only if no other machine reaches it", () => {
  for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]) expect(isLoopback(host)).toBe(true);
  for (const host of ["0.0.0.0", "::", "192.0.2.7", "127.evil.example", "localhost.evil.example", "::ffff:7f00:1"]) {
    expect(isLoopback(host)).toBe(false);
  }
});
