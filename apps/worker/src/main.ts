/** `pnpm worker` starts here. */
import "@lockstep/worker/main";
