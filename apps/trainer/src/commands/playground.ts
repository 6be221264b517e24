/** `pnpm playground`: a page that tells what a trained model takes pictures for. */
import { openPlayground } from "@lockstep/playground";

const DEFAULT_PORT = 7090;

export interface PlaygroundCommandOptions {
  run: string;
  port?: number;
}

/** Answers until Ctrl-C. */
export async function playground({ run, port }: PlaygroundCommandOptions): Promise<void> {
  const door = await openPlayground({ run, port: port ?? DEFAULT_PORT, anyPort: port === undefined });
  process.once("SIGINT", () => void door.close()).once("SIGTERM", () => void door.close());
  console.log(`playground: http://127.0.0.1:${door.port}  (Ctrl-C ends it)`);
}
