/** Compares CRC-32C with the published values of RFC 3720. */
import { expect, test } from "vitest";
import { crc32c } from "./crc-32c.ts";

// RFC 3720, appendix B.4.
test.each([
  ["32 bytes of zeros", Buffer.alloc(32), 0x8a9136aa],
  ["32 bytes of ones", Buffer.alloc(32, 0xff), 0x62a8ab43],
  ["32 bytes rising", Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ["32 bytes falling", Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  [
    "a SCSI read command",
    Buffer.from(
      "01c00000000000000000000000000000140000000000040000000014000000182800000000000000020000000000" + "0000",
      "hex",
    ),
    0xd9963a56,
  ],
])("CRC-32C of %s is the published one", (_, bytes, crc) => expect(crc32c(bytes)).toBe(crc));
