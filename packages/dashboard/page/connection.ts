/** Follows the run from the server: first its whole state, then each update; after a break, the missed ones. */
import { isOver, LiveRun, type RunSnapshot, type RunUpdate } from "@lockstep/run/live";
import { element, setText } from "./dom.ts";

/** The tokens in the page's address, behind the #: that of the run, where it has one, and that for controls. */
export const secrets = new URLSearchParams(location.hash.slice(1));
addEventListener("hashchange", () => location.reload());

const token = secrets.get("token");
/** Headers that authorize a request other than the stream. */
export const authorization: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
const RETRY_MS = 2000;

let live: LiveRun | undefined;

/** @param onChange told after each change, with what is known then */
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
        ? "The run is over, and its server has ended: pnpm dashboard --run shows it again."
        : "The server does not answer. Looking for it …",
    );
    if (source.readyState === EventSource.CLOSED) void explain(() => connect(onChange));
  });
}

/** The server answered, but not with the stream: says why, and comes again unless that is for the reader to mend. */
async function explain(retry: () => void): Promise<void> {
  const response = await fetch("/live", { method: "HEAD", headers: authorization }).catch(() => undefined);
  if (response !== undefined && [401, 403, 429].includes(response.status)) {
    showConnection(
      "away",
      "This address lacks the run's token. Open the whole link that was printed when the run was started.",
    );
  } else setTimeout(retry, RETRY_MS);
}

function showConnection(state: "live" | "away", text: string): void {
  document.documentElement.dataset["connection"] = state;
  setText(element("connection"), text);
}
