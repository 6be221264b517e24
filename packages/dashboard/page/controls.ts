/** Shows the buttons that control the run, if the link has the control token. Each command needs a confirmation. */
import { isOver, type RunSnapshot } from "@lockstep/run/live";
import { authorization, secrets } from "./connection.ts";
import { element, setText } from "./dom.ts";

const control = secrets.get("control");
const dialog = element("confirm", HTMLDialogElement);

const CONFIRMATIONS = {
  pause: [
    "Pause the run?",
    "It pauses after the current step. The workers stay connected and keep the weights.",
    "Pause",
  ],
  resume: ["Resume the run?", "The next step starts immediately.", "Resume"],
  checkpoint: [
    "Save a checkpoint now?",
    "The weights and the optimizer state are written while the next steps run.",
    "Save",
  ],
  stop: [
    "Stop the run?",
    "It finishes the current step and saves a checkpoint, from which --resume continues.",
    "Stop",
  ],
} as const;

type CommandName = keyof typeof CONFIRMATIONS;

/** Shows the controls that fit the state of the run; none without the control token. */
export function showControls(run: Readonly<RunSnapshot>): void {
  element("controls").hidden = control === null || isOver(run);
  element("pause").hidden = run.state === "paused";
  element("resume").hidden = run.state !== "paused";
}

/** Returns whether this page may drop a worker: it has the control token, and the run has not ended. */
export const mayDrop = (run: Readonly<RunSnapshot>): boolean => control !== null && !isOver(run);

/** Drops a worker from the run after a confirmation. */
export function confirmDrop(worker: string): void {
  const text = "Its slices are reassigned to the others. It does not reconnect by itself.";
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
    setText(element("outcome"), "The server does not respond. The command was not carried out.");
  }
}
