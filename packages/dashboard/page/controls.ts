/** Lets the user command the run, if the link holds the token for that. Each command is confirmed first. */
import { isOver, type RunSnapshot } from "@lockstep/run/live";
import { authorization, secrets } from "./connection.ts";
import { element, setText } from "./dom.ts";

const control = secrets.get("control");
const dialog = element("confirm", HTMLDialogElement);

const CONFIRMATIONS = {
  pause: ["Pause the run?", "It stops between two steps. Workers stay, and keep the weights.", "Pause"],
  resume: ["Let the run go on?", "The next step begins at once.", "Go on"],
  checkpoint: ["Save a checkpoint now?", "The weights and momentum are written beside the steps that follow.", "Save"],
  stop: ["Stop the run?", "It finishes this step and saves a checkpoint. --resume goes on from there.", "Stop"],
} as const;

type CommandName = keyof typeof CONFIRMATIONS;

/** Shows the controls that go with the state of the run, or none without the token for them. */
export function showControls(run: Readonly<RunSnapshot>): void {
  element("controls").hidden = control === null || isOver(run);
  element("pause").hidden = run.state === "paused";
  element("resume").hidden = run.state !== "paused";
}

/** Returns whether this page's user may drop a worker. */
export const mayDrop = (run: Readonly<RunSnapshot>): boolean => control !== null && !isOver(run);

/** Asks for a confirmation, then drops a worker from the run. */
export function confirmDrop(worker: string): void {
  const text = "Its slices go to the others. It does not come back by itself.";
  confirm([`Drop ${worker}?`, text, "Drop"], { do: "drop", worker });
}

for (const name of Object.keys(CONFIRMATIONS) as CommandName[]) {
  element(name).addEventListener("click", () => confirm(CONFIRMATIONS[name], { do: name }));
}

function confirm([title, text, verb]: readonly [string, string, string], command: object): void {
  setText(element("question"), title);
  setText(element("consequence"), text);
  setText(element("yes"), verb);
  element("yes").onclick = () => {
    dialog.close();
    void send(command);
  };
  element("no").onclick = () => dialog.close();
  dialog.showModal();
}

async function send(command: object): Promise<void> {
  const headers = { ...authorization, "x-lockstep-control": control ?? "", "content-type": "application/json" };
  setText(element("outcome"), "…");
  try {
    const response = await fetch("/control", { method: "POST", headers, body: JSON.stringify(command) });
    setText(element("outcome"), response.ok ? "" : (await response.text()).trim());
  } catch {
    setText(element("outcome"), "The server does not answer; nothing was done.");
  }
}
