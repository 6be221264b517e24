/** Tests what a dashboard on a thread leaves behind when it cannot listen. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { LiveRun } from "@lockstep/run/live";
import { expect, onTestFinished, test, vi } from "vitest";
import { openDashboardThread } from "./dashboard-thread.ts";

test("a dashboard that cannot listen no longer receives the updates of its run", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const live = new LiveRun();
  const unsubscribe = vi.fn();
  vi.spyOn(live, "subscribe").mockReturnValue(unsubscribe);
  const opening = openDashboardThread({ live, port, controlToken: "", command: () => {} });
  await expect(opening).rejects.toMatchObject({ code: "ERR_LISTEN" });
  expect(unsubscribe).toHaveBeenCalledOnce();
});
