/**
 * A plain TCP transfer, to see what a link carries.
 *
 * transfer.ts receive HOST     prints `port N`, takes one connection, prints {"bytes", "ms"} from its first byte on
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
  for (let left = total; left > 0; left -= block.length) {
    if (!socket.write(block.subarray(0, Math.min(left, block.length)))) await once(socket, "drain");
  }
  socket.end().resume(); // reading is how the other side's end is noticed
  await once(socket, "close");
}
