/** The options that say where a coordinator listens, and who may join it. */

import { Command, Option } from "@commander-js/extra-typings";
import { DEFAULT_PORT } from "@lockstep/gradient-sync";
import { DEFAULT_LIMITS } from "@lockstep/transport";
import { addRunOptions, addScalingOptions, portNumber, positiveNumber, timerMs } from "../command-line.ts";

/** The listen options as the command line gives them; what they come to, the coordinator works out. */
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
    .addOption(number("--max-workers <n>", `connections at once (default: ${maxWorkers}, or --workers if more)`))
    .addOption(
      number("--refused-joins-per-minute <n>", "joins without the right token that one address may try").default(
        refusedJoinsPerMinute,
      ),
    )
    .addOption(
      new Option("--handshake-ms <ms>", "how long a TLS handshake, and then a request, may take")
        .argParser(timerMs)
        .default(handshakeMs),
    );
}

function addressCommand(name: string) {
  const list = (value: string, before: string[]) => [...before, value];
  return addScalingOptions(addRunOptions(new Command(name)))
    .option(
      "--host <address>",
      "where to listen; 0.0.0.0 opens the run to the network, with token and TLS",
      "127.0.0.1",
    )
    .addOption(
      new Option("--port <n>", `where to listen (default: ${DEFAULT_PORT}, or the next that is free)`).argParser(
        portNumber,
      ),
    )
    .addOption(
      new Option(
        "--token <token>",
        "what workers must show to join; on any address but loopback one is made if none is given. " +
          "This option shows in the list of processes: better give it in the environment",
      ).env("LOCKSTEP_TOKEN"),
    )
    .addOption(
      new Option("--tls <how>", "self-signed or none (default: self-signed on any address but loopback, else none)")
        .choices(["self-signed", "none"])
        .conflicts(["tlsCert", "tlsKey"]),
    )
    .option("--tls-cert <file>", "a certificate of your own, in PEM form")
    .option("--tls-key <file>", "its private key, in PEM form")
    .addOption(
      new Option("--allow-host <name>", "a name by which workers reach the coordinator, if not this machine's own")
        .argParser(list)
        .default<string[]>([], "none"),
    );
}
