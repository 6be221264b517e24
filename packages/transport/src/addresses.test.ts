/** Checks how hosts are written, among them short, IPv6 and malformed ones and ones with a zone. */
import type { NetworkInterfaceInfo } from "node:os";
import { describe, expect, test } from "vitest";
import { bracketed, canonicalHost, reachableAddresses } from "./addresses.ts";
import { assertJoin } from "./client/client.ts";

describe("the host", () => {
  test.each([
    ["0", "0.0.0.0"],
    ["127.1", "127.0.0.1"],
    ["[::]", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["Box.LAN", "box.lan"],
    ["192.0.2.7", "192.0.2.7"],
  ])("%s is %s", (host, canonical) => {
    expect(canonicalHost(host)).toBe(canonical);
  });

  test.each(["", "0.0.0.0:7077", "box:", "[::]:7077", "a b", "http://box", "box/a", "user@box"])(
    "%j is none",
    (host) => {
      expect(() => canonicalHost(host)).toThrow(expect.objectContaining({ code: "ERR_OPTION" }));
    },
  );

  test.each(["fe80::1%eth0", "[FE80::1%eth0]", "fe80::1"])(
    "%s is refused with the reason that it has a zone",
    (host) => {
      expect(() => canonicalHost(host)).toThrow(
        expect.objectContaining({
          message: expect.stringMatching(/link-local address .* needs a zone .*\. Listen on all .*--host ::/),
        }),
      );
      expect(() => assertJoin(`ws://${bracketed(host)}:7077`, {})).toThrow(
        expect.objectContaining({
          code: "ERR_OPTION",
          message: expect.stringMatching(/link-local.*\. Use another address/),
        }),
      );
    },
  );
});

test.each(["::1%lo", "[::1%lo]", "fd00::7%eth0", "fd00::7%25eth0", "2001:db8::1%2"])(
  "%s is refused with the reason that it has a zone, although it is not link-local",
  (host) => {
    const refused = (option: string, remedy: RegExp) =>
      expect.objectContaining({
        code: "ERR_OPTION",
        message: expect.stringMatching(`Expected ${option} .*zone.*${remedy.source}`),
      });
    expect(() => canonicalHost(host)).toThrow(refused("--host", /Omit the zone/));
    expect(() => assertJoin(`ws://${bracketed(host)}:7077`, {})).toThrow(refused("--coordinator", /Omit the zone/));
  },
);

test("a coordinator that listens on all addresses is reached at those of its network, by IPv6 only if it listens there", () => {
  const at = (address: string, internal = false) => ({ address, internal }) as NetworkInterfaceInfo;
  const interfaces = {
    lo: [at("127.0.0.1", true), at("::1", true)],
    eth0: [at("fd00::7"), at("192.0.2.7"), at("fe80::7")],
    docker0: [at("172.17.0.1")],
  };
  expect(reachableAddresses("0.0.0.0", interfaces)).toEqual(["192.0.2.7", "172.17.0.1"]);
  expect(reachableAddresses("::", interfaces)).toEqual(["192.0.2.7", "172.17.0.1", "fd00::7"]);
  expect(reachableAddresses("box.lan", interfaces)).toEqual(["box.lan"]);
  expect(reachableAddresses("0.0.0.0", { lo: interfaces.lo })).toEqual([]);
});
