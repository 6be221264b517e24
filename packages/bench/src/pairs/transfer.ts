/**
 * Transfers bytes over TCP, to measure the throughput of a link.
 *
 * transfer.ts receive HOST     prints `port N`, accepts a connection, prints {"bytes", "ms"} as of its first byte
 * transfer.ts send HOST PORT BYTES
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

const [role, host, port, bytes] = process.argv.slice(2) as [string, string, string, string];
if (role === "receive") await receive();
else await send(Number(port), Number(bytes));

async function receive(): Promise<void> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  console.log(`port ${(server.address() as AddressInfo).port}`);
  const [socket] = (await once(server, "connection")) as [Socket];
  server.close();
  let received = 0;
  let firstMs = 0;
  for await (const data of socket) {
    if (received === 0) firstMs = performance.now();
    received += (data as Buffer).length;
  }
  console.log(JSON.stringify({ bytes: received, ms: performance.now() - firstMs }));
}

async function send(toPort: number, total: number): Promise<void> {
  const socket = connect(toPort, host);
  const block = Buffer.alloc(64 * 1024);
  for (let remaining = total; remaining > 0; remaining -= block.length) {
    if (!socket.write(block.subarray(0, Math.min(remaining, block.length)))) await once(socket, "drain");
  }
  socket.end().resume(); // the end of the other side is only seen by reading
  await once(socket, "close");
}
