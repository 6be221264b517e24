/** Receives the run from the server: a snapshot, then updates, and after an interruption the missed ones. */
import { isOver, LiveRun, type RunSnapshot, type RunUpdate } from "@lockstep/run/live";
import { element, setText } from "./dom.ts";

/** The tokens after the # of the page's address: `token` if the run has one, and `control`. */
export const secrets = new URLSearchParams(location.hash.slice(1));
addEventListener("hashchange", () => location.reload());

const token = secrets.get("token");
/** Headers that authorize a request, except the event stream. */
export const authorization: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
const RETRY_MS = 2000;

let live: LiveRun | undefined;

/** Follows the run. @param onChange called after each change with the state of the run */
export function connect(onChange: (run: Readonly<RunSnapshot>) => void): void {
  const source = new EventSource(token === null ? "/live" : `/live?token=${encodeURIComponent(token)}`);
  const onConnected = () => showConnection("live", "");
  source.addEventListener("open", onConnected);
  source.addEventListener("snapshot", ({ data }: MessageEvent<string>) => {
    live = new LiveRun(JSON.parse(data) as RunSnapshot);
    onChange(live.snapshot());
  });
  source.addEventListener("updates", ({ data }: MessageEvent<string>) => {
    if (live === undefined) return;
    for (const update of JSON.parse(data) as RunUpdate[]) live.apply(update);
    onChange(live.snapshot());
  });
  source.addEventListener("error", () => {
    const isFinished = live !== undefined && isOver(live.snapshot());
    showConnection(
      "away",
      isFinished
        ? "The run has ended, and so has its server. To show it again: pnpm dashboard --run"
        : "The server does not respond. Reconnecting …",
    );
    if (source.readyState === EventSource.CLOSED) void explain(() => connect(onChange));
  });
}

/** Handles a refused stream: explains a missing token, which only the user can add, or retries later. */
async function explain(retry: () => void): Promise<void> {
  const response = await fetch("/live", { method: "HEAD", headers: authorization }).catch(() => undefined);
  if (response !== undefined && [401, 403, 429].includes(response.status)) {
    showConnection(
      "away",
      "This address lacks the run's token. Open the complete link that the run printed when it started.",
    );
  } else setTimeout(retry, RETRY_MS);
}

function showConnection(state: "live" | "away", text: string): void {
  document.documentElement.dataset["connection"] = state;
  setText(element("connection"), text);
}
