/** For tests: a peer that opens a WebSocket, and then sends bytes that violate its protocol. */

import { once } from "node:events";
import { connect } from "node:net";
import { MAX_MESSAGE_BYTES } from "@lockstep/gradient-sync";
import { pick, type Random } from "@lockstep/gradient-sync/testing";

/** Returns a client's frame that claims a length, in eight bytes, and holds a shorter payload. Its mask is zero. */
function frame(first: number, claimed: number, payload = Buffer.alloc(0)): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(claimed));
  return Buffer.concat([Buffer.of(first, 0x80 | 127), length, Buffer.alloc(4), payload]);
}

const short = (first: number, payload = Buffer.alloc(0)) =>
  Buffer.concat([Buffer.of(first, 0x80 | payload.length), Buffer.alloc(4), payload]);
const FIN = 0x80;
const [CONTINUED, TEXT, BYTES, CLOSE, PING] = [0, 1, 2, 8, 9];

const BREACHES: Buffer[] = [
  Buffer.of(FIN | BYTES, 3, 1, 2, 3), // not masked
  short(FIN | 0x40 | BYTES), // reserved bit of an extension
  short(FIN | 7), // reserved opcode
  short(FIN | CONTINUED), // continuation without a message
  short(PING), // fragmented control frame
  frame(FIN | PING, 126, Buffer.alloc(126)), // control frame over 125 bytes
  short(FIN | TEXT, Buffer.of(0xff)), // invalid UTF-8
  short(FIN | CLOSE, Buffer.of(3)), // half of a close code
  short(FIN | CLOSE, Buffer.of(0, 1)), // invalid close code
  frame(FIN | BYTES, MAX_MESSAGE_BYTES + 1), // over the limit of a message
  frame(FIN | BYTES, 2 ** 53),
  Buffer.concat([short(BYTES, Buffer.of(1)), short(BYTES, Buffer.of(1))]), // a message inside another
  Buffer.concat([short(BYTES), ...Array.from({ length: 20_000 }, () => short(CONTINUED, Buffer.of(1)))]), // fragments
];

/** Violates the protocol. @returns the code with which the coordinator closes the WebSocket; 1006 if it sends none */
export async function breakProtocol(port: number, random: Random): Promise<number> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {}); // the frames received until then count
  const lines = ["GET / HTTP/1.1", `Host: 127.0.0.1:${port}`, "Upgrade: websocket", "Connection: Upgrade"];
  socket.write([...lines, "Sec-WebSocket-Version: 13", `Sec-WebSocket-Key: ${"A".repeat(22)}==`, "", ""].join("\r\n"));
  await once(socket, "data");
  socket.write(pick(random, BREACHES));
  let received = Buffer.alloc(0);
  for await (const data of socket) {
    received = Buffer.concat([received, data]);
    const code = closeCode(received);
    if (code === undefined) continue;
    socket.destroy();
    return code;
  }
  return 1006;
}

/** Returns the close code in a server's frames, which are unmasked and shorter than 126 bytes. */
function closeCode(frames: Buffer): number | undefined {
  for (let at = 0; at + 4 <= frames.length; at += 2 + frames.readUInt8(at + 1)) {
    if ((frames.readUInt8(at) & 0x0f) === CLOSE) return frames.readUInt16BE(at + 2);
  }
  return undefined;
}
