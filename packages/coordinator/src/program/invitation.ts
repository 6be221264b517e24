/** Invites workers: prints the command that starts one, and announces the coordinator on the local network. */
import { hostname } from "node:os";
import { dashboardLine } from "@lockstep/dashboard";
import { announce } from "@lockstep/discovery";
import { counted } from "@lockstep/errors";
import type { Display, Resources } from "@lockstep/run";
import type { DistributedRun } from "../run/open-run.ts";
import type { Endpoint } from "./endpoint.ts";
import { addressesOf, authority, joiningLines } from "./joining-lines.ts";

/** Inputs of `invite`. */
export interface Invitation {
  endpoint: Endpoint;
  distributed: DistributedRun;
  workers: number;
  /** The arguments that the coordinator was started with. */
  args: readonly string[];
  /** The token that allows a dashboard to control the run. */
  control: string;
}

/** Prints the command that starts a worker and the dashboard's address; on a network, announces the port. */
export function invite(
  { endpoint, distributed: { model, run }, workers, args, control }: Invitation,
  port: number,
  display: Display,
  resources: Resources,
): void {
  const { isTerminal } = display;
  const { loopback, fingerprint, listen } = endpoint;
  const where = loopback ? "run this in other terminals on this machine" : "run this on each worker's machine";
  display.line(`waiting for ${counted(workers, "worker")}; ${where}:`);
  const addresses = addressesOf(endpoint);
  const codeModel = model.kind === "code" ? run.config.model : undefined;
  for (const line of joiningLines({ endpoint, addresses, port, isTerminal, args, codeModel })) display.line(line);
  const [address] = addresses;
  const secure = fingerprint !== undefined;
  const url = `${secure ? "https" : "http"}://${authority(address, port)}`;
  display.line(dashboardLine(url, isTerminal, { token: listen.token, control }));
  if (loopback) return;
  const onProblem = (reason: string) =>
    display.line(`workers cannot discover this coordinator (${reason}): start them with --coordinator`, {
      level: "warn",
    });
  resources.add(announce({ port, name: hostname(), secure, onProblem }).close);
}
