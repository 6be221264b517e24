/** The options of where a coordinator listens, and who may join it. */

import { Command, Option } from "@commander-js/extra-typings";
import { DEFAULT_PORT } from "@lockstep/gradient-sync";
import { DEFAULT_LIMITS } from "@lockstep/transport";
import { addRunOptions, addScalingOptions, portNumber, positiveNumber, timerMs } from "../command-line.ts";

/** The parsed listen options, before the coordinator fills in what depends on the machine. */
export interface ListenCommandOptions {
  host: string;
  port?: number;
  token?: string;
  tls?: "self-signed" | "none";
  tlsCert?: string;
  tlsKey?: string;
  allowHost: string[];
  maxWorkers?: number;
  refusedJoinsPerMinute: number;
  handshakeMs: number;
}

/** Makes a command with the options of a run, of weak scaling, and of listening. */
export function listenCommand(name: string) {
  const { maxWorkers, refusedJoinsPerMinute, handshakeMs } = DEFAULT_LIMITS;
  const number = <Flags extends string>(flags: Flags, help: string) =>
    new Option(flags, help).argParser(positiveNumber);
  return addressCommand(name)
    .addOption(
      number("--max-workers <n>", `maximum number of connections (default: ${maxWorkers}, or --workers if greater)`),
    )
    .addOption(
      number("--refused-joins-per-minute <n>", "failed joins allowed per address and minute").default(
        refusedJoinsPerMinute,
      ),
    )
    .addOption(
      new Option("--handshake-ms <ms>", "time limit for a TLS handshake, and for the request that follows")
        .argParser(timerMs)
        .default(handshakeMs),
    );
}

function addressCommand(name: string) {
  const list = (value: string, before: string[]) => [...before, value];
  return addScalingOptions(addRunOptions(new Command(name)))
    .option(
      "--host <address>",
      "address to listen on; 0.0.0.0 opens the run to the network, with token and TLS",
      "127.0.0.1",
    )
    .addOption(
      new Option("--port <n>", `port to listen on (default: ${DEFAULT_PORT}, or the next free one)`).argParser(
        portNumber,
      ),
    )
    .addOption(
      new Option(
        "--token <token>",
        "secret that workers must present; generated for any address but loopback if not set. " +
          "Command lines are visible in the process list: prefer the environment",
      ).env("LOCKSTEP_TOKEN"),
    )
    .addOption(
      new Option(
        "--tls <how>",
        "TLS certificate: self-signed or none (default: self-signed on any address but loopback, else none)",
      )
        .choices(["self-signed", "none"])
        .conflicts(["tlsCert", "tlsKey"]),
    )
    .option("--tls-cert <file>", "your own certificate, in PEM format")
    .option("--tls-key <file>", "private key of --tls-cert, in PEM format")
    .addOption(
      new Option("--allow-host <name>", "another host name by which workers reach the coordinator")
        .argParser(list)
        .default<string[]>([], "none"),
    );
}
