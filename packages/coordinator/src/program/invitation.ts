/** Tells people, and the local network, how workers reach a coordinator that listens now. */
import { hostname } from "node:os";
import { dashboardLine } from "@lockstep/dashboard";
import { announce } from "@lockstep/discovery";
import type { Display, Resources } from "@lockstep/run";
import type { DistributedRun } from "../run/open-run.ts";
import type { Endpoint } from "./endpoint.ts";
import { addressesOf, authority, joiningLines } from "./joining-lines.ts";

/** Whom a coordinator waits for, and how they reach it. */
export interface Invitation {
  endpoint: Endpoint;
  distributed: DistributedRun;
  workers: number;
  /** What the coordinator was started with. */
  words: readonly string[];
  /** The token of those who may command the run on its page. */
  control: string;
}

/** Prints the command that a worker is started with and the dashboard's address; on a network, announces the port. */
export function invite(
  { endpoint, distributed: { model, run }, workers, words, control }: Invitation,
  port: number,
  display: Display,
  resources: Resources,
): void {
  const { isTerminal } = display;
  const { loopback, fingerprint, listen } = endpoint;
  const where = loopback ? "in other terminals of this machine" : "paste this on each of their machines";
  display.line(`waiting for ${workers} workers; ${where}:`);
  const addresses = addressesOf(endpoint);
  const codeModel = model.kind === "code" ? run.config.model : undefined;
  for (const line of joiningLines({ endpoint, addresses, port, isTerminal, words, codeModel })) display.line(line);
  const [address] = addresses;
  const secure = fingerprint !== undefined;
  const url = `${secure ? "https" : "http"}://${authority(address, port)}`;
  display.line(dashboardLine(url, isTerminal, { token: listen.token, control }));
  if (loopback) return;
  const onProblem = (reason: string) => display.line(`workers must be told the address: ${reason}`, { level: "warn" });
  resources.add(announce({ port, name: hostname(), secure, onProblem }).close);
}
