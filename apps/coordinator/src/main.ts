/** `pnpm coordinator` starts here. */
import "@lockstep/coordinator/main";
