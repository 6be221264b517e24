/** `pnpm playground`: a page that classifies images with a trained model. */
import type { PlaygroundOptions } from "@lockstep/config/programs";
import { openPlayground } from "@lockstep/playground";
import { untilAskedToStop } from "@lockstep/run";

const DEFAULT_PORT = 7090;

/** Serves the page until Ctrl-C. */
export async function playground({ run, port }: PlaygroundOptions): Promise<void> {
  const { url, close } = await openPlayground({ run, port: port ?? DEFAULT_PORT, anyPort: port === undefined });
  const asked = untilAskedToStop();
  console.log(`playground: ${url}  (Ctrl-C to stop)`);
  await asked;
  await close();
}
