/** `pnpm playground`: a page that tells what a trained model takes pictures for. */
import { openPlayground } from "@lockstep/playground";
import { untilAskedToStop } from "@lockstep/run";

const DEFAULT_PORT = 7090;

export interface PlaygroundCommandOptions {
  run: string;
  port?: number;
}

/** Answers until Ctrl-C. */
export async function playground({ run, port }: PlaygroundCommandOptions): Promise<void> {
  const { url, close } = await openPlayground({ run, port: port ?? DEFAULT_PORT, anyPort: port === undefined });
  const asked = untilAskedToStop();
  console.log(`playground: ${url}  (Ctrl-C ends it)`);
  await asked;
  await close();
}
