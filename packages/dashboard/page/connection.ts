/** Follows the run from the server: first its whole state, then each update; after a break, the missed ones. */
import { isOver, LiveRun, type RunSnapshot, type RunUpdate } from "@lockstep/run/live";
import { element, setText } from "./dom.ts";

/** The tokens in the page's address, behind the #: that of the run, where it has one, and that for controls. */
export const secrets = new URLSearchParams(location.hash.slice(1));
addEventListener("hashchange", () => location.reload());

const token = secrets.get("token");
/** Headers that authorize a request other than the stream. */
export const authorization: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
const AGAIN_MS = 2000;

let live: LiveRun | undefined;

/** @param onNews told after each change, with what is known then */
export function connect(onNews: (run: Readonly<RunSnapshot>) => void): void {
  const source = new EventSource(token === null ? "/live" : `/live?token=${encodeURIComponent(token)}`);
  const heard = () => tell("live", "");
  source.addEventListener("open", heard);
  source.addEventListener("snapshot", ({ data }: MessageEvent<string>) => {
    live = new LiveRun(JSON.parse(data) as RunSnapshot);
    onNews(live.snapshot());
  });
  source.addEventListener("updates", ({ data }: MessageEvent<string>) => {
    if (live === undefined) return;
    for (const update of JSON.parse(data) as RunUpdate[]) live.apply(update);
    onNews(live.snapshot());
  });
  source.addEventListener("error", () => {
    const over = live !== undefined && isOver(live.snapshot());
    tell(
      "away",
      over
        ? "The run is over, and its server has ended: pnpm dashboard --run shows it again."
        : "The server does not answer. Looking for it …",
    );
    if (source.readyState === EventSource.CLOSED) void explain(() => connect(onNews));
  });
}

/** The server answered, but not with the stream: says why, and comes again unless that is for the reader to mend. */
async function explain(again: () => void): Promise<void> {
  const answer = await fetch("/live", { method: "HEAD", headers: authorization }).catch(() => undefined);
  if (answer !== undefined && [401, 403, 429].includes(answer.status)) {
    tell("away", "This address lacks the run's token. Open the whole link that was printed when the run was started.");
  } else setTimeout(again, AGAIN_MS);
}

function tell(state: "live" | "away", text: string): void {
  document.documentElement.dataset["connection"] = state;
  setText(element("connection"), text);
}
