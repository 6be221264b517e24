/** The options that say where a coordinator listens, and who may join it. */
import { DEFAULT_PORT } from "@lockstep/gradient-sync";
import { DEFAULT_LIMITS } from "@lockstep/transport";
import { type Command, Option } from "commander";
import { portNumber, positiveNumber, timerMs } from "../command-line.ts";

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

/** Adds the options of `GivenListenOptions` to a command. */
export function addListenOptions(command: Command): Command {
  const list = (value: string, before: string[]) => [...before, value];
  addAddressOptions(command)
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
        .default([], "none"),
    );
  return addLimitOptions(command);
}

function addAddressOptions(command: Command): Command {
  return command
    .option(
      "--host <address>",
      "where to listen; 0.0.0.0 opens the run to the network, with token and TLS",
      "127.0.0.1",
    )
    .addOption(
      new Option("--port <n>", `where to listen (default: ${DEFAULT_PORT}, or the next that is free)`).argParser(
        portNumber,
      ),
    );
}

function addLimitOptions(command: Command): Command {
  const { maxWorkers, refusedJoinsPerMinute, handshakeMs } = DEFAULT_LIMITS;
  const number = (flags: string, help: string) => new Option(flags, help).argParser(positiveNumber);
  return command
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
