/**
 * The catalogue of errors: what each code means, and what to do. A message says it for the case at hand; this says it for
 * the code. `docs/errors.md` is made from this table (`pnpm vitest run packages/errors -u`).
 */

/** The meaning of a code, and what to do about it. */
interface CatalogueEntry {
  meaning: string;
  remedy: string;
}

const entry = (meaning: string, remedy: string): CatalogueEntry => ({ meaning, remedy });

/** All error codes, in groups under the headings of docs/errors.md. */
export const catalogue = {
  "Options and folders": {
    ERR_OPTION: entry(
      "An option is unknown, has a value that it can't have, or doesn't go with another one.",
      "Correct it as the message says; `--help` lists all options.",
    ),
    ERR_NO_RUN: entry(
      "The folder that was named isn't that of a run.",
      "Name the folder that the run printed; it holds a `config.json`.",
    ),
    ERR_RUN_EXISTS: entry(
      "The folder for a new run holds one already.",
      "Go on with `--resume`, or choose another `--out`.",
    ),
    ERR_RUN_BUSY: entry(
      "Another process is training in this folder.",
      "Wait for it or end it, or give the new run a folder of its own.",
    ),
    ERR_RUN_TAKEN: entry(
      "Another process went on with the run while this one was suspended, or could not reach the folder, for a minute.",
      "Nothing is lost; if that was unintended, stop the other process, and go on with `--resume`.",
    ),
    ERR_RUN_FILE: entry(
      "The run's `config.json` can't be read, or isn't that of a run.",
      "Restore it from a copy, or start a new run.",
    ),
    ERR_NOT_WRITABLE: entry(
      "A file or folder of the run can't be written.",
      "See to its permissions, or choose another folder with `--out`.",
    ),
    ERR_DISK_FULL: entry(
      "There is no room on the disk. The checkpoints that were there stay.",
      "Free some space, and go on with `--resume`.",
    ),
    ERR_NO_HOME: entry(
      "This user has no home folder, where caches and secrets are kept.",
      "Set `HOME`, or name folders in `LOCKSTEP_CACHE`, `LOCKSTEP_DATA` and `XDG_CONFIG_HOME`.",
    ),
    ERR_OUT_OF_MEMORY: entry(
      "The system refused memory that the program asked for. Where it ends a process without asking, as Linux does when " +
        "none is left, there is no message: the process was killed by SIGKILL.",
      "Free some memory or raise the limit; or choose a smaller model, `--batch-size`, `--max-rows` or fewer workers.",
    ),
    ERR_OPEN_FILES: entry(
      "This process, or the machine, has reached its limit of open files.",
      "Raise the limit with `ulimit -n 4096` in the shell that starts the program; a coordinator needs one for each worker.",
    ),
    ERR_LISTEN: entry(
      "The port is taken, or this user may not have it; or the address isn't this machine's.",
      "Choose another `--port`, or the right `--host`.",
    ),
  },
  Data: {
    ERR_DATA_FILE: entry(
      "A file of the data set is missing, cut short, or something else.",
      "Delete the files in the cache to have them downloaded anew; in a `--data-dir` unpack the archive again, or name another.",
    ),
    ERR_DATA_ARCHIVE: entry(
      "What was downloaded isn't the archive of the data set; it was deleted.",
      "Run the command again, or get the files by other means and name them with `--data-dir`.",
    ),
    ERR_DOWNLOAD: entry(
      "The data set could not be downloaded.",
      "Check the network; the same command goes on where it stopped. Or name files that are there with `--data-dir`.",
    ),
    ERR_IMAGE_FILE: entry(
      "A picture can't be read as PNG or JPEG, is damaged, or is too large.",
      "Save it as one of these, of at most 100 million pixels and 128 MiB.",
    ),
    ERR_TRAIN_FRACTION: entry(
      "The share to train on would leave no sample to train with.",
      "Give a `--train-fraction` above 0, up to 1, that leaves one at least.",
    ),
    ERR_NORMALIZE: entry(
      "`--normalize` isn't understood, or doesn't fit the channels of the images.",
      "Give `half`, `dataset`, or a mean and a std for each channel.",
    ),
    ERR_BATCH_THREAD: entry(
      "The thread that makes batches has ended, most likely for want of memory.",
      "See how much memory is free, and go on with `--resume`.",
    ),
    ERR_RECORDS: entry(
      "Records of the data set that a worker wanted from the coordinator didn't come, were damaged, or were asked for wrongly.",
      "See that the coordinator runs and is reached, or give the worker the files with `--data-dir`.",
    ),
    ERR_RECORD_CACHE: entry(
      "The coordinator's records can't be kept on this disk.",
      "Make room there, or name another folder in `LOCKSTEP_DATA`.",
    ),
  },
  Models: {
    ERR_MODEL_NAME: entry(
      "There is no model of this name.",
      "Name one that Lockstep has, or the path of a module: docs/models.md.",
    ),
    ERR_MODEL_MODULE: entry(
      "The module of a model is missing, can't be loaded, or exports no model.",
      "Correct it as docs/models.md shows.",
    ),
    ERR_MODEL_SPEC: entry(
      "A layer of the model isn't as it must be, or doesn't fit the one before it.",
      "Correct the layer that is named; `pnpm train --describe` shows the shapes.",
    ),
    ERR_MODEL_REFUSED: entry(
      "The model can be built, but not trained here, or not exported.",
      "Change what the message names: docs/models.md tells what a model must be.",
    ),
    ERR_MODEL_DATA: entry(
      "The model's input or output doesn't fit the data set.",
      "Give `--num-classes` or `--input-channels`, or change the model.",
    ),
    ERR_MODEL_CHANGED: entry(
      "The model is no longer the one that the run began with.",
      "Restore it, or start a new run with `--init-from`.",
    ),
    ERR_MODEL_CODE: entry(
      "The model of the run is made by code, which is never sent.",
      "Copy its file to the worker, and name it there with `--model`.",
    ),
    ERR_MODEL: entry(
      "The coordinator named no model that this worker has, or a worker built another model than the run's.",
      "Use one version of Lockstep everywhere, and give the worker its own copy of the model with `--model`.",
    ),
    ERR_TOPOLOGY: entry(
      "A worker described its model in a way that TensorFlow.js doesn't understand.",
      "Use one version of Lockstep on all machines.",
    ),
    ERR_STATE_DICT: entry(
      "The weights aren't those of this model: names or shapes differ.",
      "Use the weights with the model that they were trained for.",
    ),
    ERR_ONNX_LAYER: entry(
      "A layer can't be expressed in ONNX.",
      "Export `--to tfjs`, which holds every model; docs/models.md lists what ONNX can hold.",
    ),
    ERR_ONNX_TOO_LARGE: entry("The weights are more than an ONNX file can hold.", "Export `--to safetensors`."),
    ERR_EXPORT: entry(
      "An exported model, loaded back, doesn't predict what the run's model does; it was not kept.",
      "Do as the message says. A layer class of your own must be registered with `tf.serialization.registerClass`.",
    ),
    ERR_NO_TFJS: entry(
      "The run hasn't written its `tfjs/` yet.",
      "Let it end, or write the files with `pnpm export --run DIR --to tfjs`.",
    ),
  },
  "Checkpoints and files of weights": {
    ERR_NO_CHECKPOINT: entry(
      "The run has no checkpoint that can be read.",
      "Start it again; a new run takes weights from a file with `--init-from`.",
    ),
    ERR_CHECKPOINT: entry(
      "A file isn't a whole checkpoint.",
      "Use an earlier one, or the one that the file was copied from.",
    ),
    ERR_SAFETENSORS: entry(
      "A `.safetensors` file can't be read, is damaged, or is something else.",
      "Copy it again, use another one, or convert it as the message says.",
    ),
    ERR_WEIGHTS_NOT_FINITE: entry(
      "A weight in a file is NaN or infinite.",
      "Take weights that were saved before the training came apart; an earlier checkpoint may have them.",
    ),
    ERR_TENSORS: entry(
      "Tensors to be written have one name twice, or not as many numbers as their shape says.",
      "This is a defect of Lockstep: please report it with the command.",
    ),
    ERR_ZIP_TOO_LARGE: entry("The weights are more than a `.pth` file can hold.", "Export `--to safetensors`."),
    ERR_METRICS: entry(
      "A line of `metrics.jsonl` isn't one that a run writes, or rows are missing.",
      "Take the line out, or go on from a checkpoint before it.",
    ),
    ERR_STATE_LOST: entry(
      "The worker that was sending weights was lost on the way.",
      "Nothing: another checkpoint is taken, and a worker that was to get them comes again.",
    ),
  },
  "Engines and GPUs": {
    ERR_NO_BACKEND: entry("No backend of TensorFlow.js starts here.", "`pnpm run doctor` tells what is missing."),
    ERR_BACKEND_NAME: entry("There is no backend of this name.", "Name `native`, `webgpu`, `wasm` or `cpu`."),
    ERR_THREADS: entry("The number of threads isn't a whole number of at least 1.", "Give one with `--threads`."),
    ERR_CACHE: entry("The cache folder can't be written.", "Name another one in `LOCKSTEP_CACHE`."),
    ERR_NOEXEC: entry(
      "The cache folder, or TensorFlow's, lies on a file system from which nothing may be run.",
      "Name a folder elsewhere in `LOCKSTEP_CACHE` (or `LOCKSTEP_LIBTENSORFLOW`), or mount it without `noexec`.",
    ),
    ERR_PLATFORM: entry(
      "Native TensorFlow isn't set up for this system or processor.",
      "Train with WebGPU or WebAssembly, or on Linux x64.",
    ),
    ERR_NO_AVX: entry(
      "Native TensorFlow needs a processor with AVX.",
      "Train with WebAssembly, or on another processor.",
    ),
    ERR_NO_LIBTENSORFLOW: entry("TensorFlow isn't installed.", "`pnpm run doctor --fix` installs it."),
    ERR_LIBTENSORFLOW: entry(
      "The folder that was named or installed lacks files of libtensorflow.",
      "Name a folder that has them in `LOCKSTEP_LIBTENSORFLOW`, or unset it.",
    ),
    ERR_TFJS_DOWNLOAD: entry(
      "The libtensorflow that TensorFlow.js offers could not be downloaded or unpacked.",
      "Check the network and the disk, or install it by hand: docs/gpu.md.",
    ),
    ERR_NO_PYTHON: entry("TensorFlow is installed with pip, but Python was not found.", "Install `python3` with pip."),
    ERR_NO_PIP: entry("TensorFlow is installed with pip, but this Python has no pip.", "`python3 -m ensurepip`."),
    ERR_WHEEL_DOWNLOAD: entry(
      "pip could not download TensorFlow.",
      "Do what the message says; mostly it is the network, or `HTTPS_PROXY` or `PIP_INDEX_URL`.",
    ),
    ERR_WHEEL_HASH: entry(
      "What pip downloaded isn't the known file; it was discarded.",
      "See which index pip uses: `pip config list`.",
    ),
    ERR_WHEEL_UNPACK: entry("What pip downloaded could not be unpacked.", "See whether the disk is full."),
    ERR_NO_COMPILER: entry(
      "The addon needs a C++ compiler, and there is none.",
      "Install g++ or clang, or name yours in `CXX`.",
    ),
    ERR_ADDON_BUILD: entry(
      "The addon did not compile.",
      "Try another compiler (`CXX`), or another libtensorflow (`LOCKSTEP_LIBTENSORFLOW`).",
    ),
    ERR_ADDON_LOAD: entry(
      "The addon, or a library that it needs, can't be loaded.",
      "`pnpm run doctor` tells which; `pnpm run doctor --fix` builds it anew.",
    ),
    ERR_WASM: entry("WebAssembly can't be used.", "`pnpm run doctor` tells why; name another `--backend`."),
    ERR_NO_GPU: entry(
      "A GPU was demanded, and none can be used.",
      "The message tells why for CUDA and for WebGPU; without `--gpu` the processor trains.",
    ),
    ERR_GPU_INDEX: entry("There is no GPU of this number.", "Name one of those that the message lists."),
    ERR_GPU_BACKEND: entry(
      "The backend uses no GPU, and one was demanded; or it needs one, and none was allowed.",
      "Leave out `--gpu`, or `--backend`.",
    ),
    ERR_GPU_FAULT: entry("The GPU failed, or is lost.", "Update its driver, give it less to hold, and `--resume`."),
    ERR_NO_NVIDIA: entry(
      "There is no NVIDIA driver.",
      "Install it, or start the container with its GPUs (`docker run --gpus all`).",
    ),
    ERR_GPU_DRIVER: entry(
      "The NVIDIA driver doesn't answer.",
      "Reinstall it, or restart the machine if it was updated.",
    ),
    ERR_OLD_GPU_DRIVER: entry("The NVIDIA driver is too old for CUDA 12.", "Update it."),
    ERR_CUDA_LIBRARIES: entry("Libraries of CUDA are missing.", "`pnpm run doctor --fix` brings them."),
    ERR_NO_CUDA: entry("There is a GPU, but no TensorFlow with CUDA.", "`pnpm run doctor --fix` brings it."),
    ERR_GPU_UNUSED: entry(
      "TensorFlow was loaded, but doesn't use the GPU.",
      "Run with `TF_CPP_MIN_LOG_LEVEL=0` to see what it says.",
    ),
    ERR_NO_WEBGPU: entry("WebGPU can't be loaded here.", "`pnpm install` fetches it; on Linux it needs Vulkan."),
    ERR_NO_ADAPTER: entry("WebGPU finds no GPU.", "Install the driver of the card, with Vulkan on Linux."),
    ERR_SOFTWARE_GPU: entry(
      "WebGPU finds nothing but a GPU that the processor imitates.",
      "Install the driver of the card; without a card use another `--backend`.",
    ),
    ERR_WEBGPU: entry("WebGPU finds a GPU, and can't open it.", "Update its driver."),
    ERR_TENSOR_SIZE: entry("A tensor is larger than this GPU can bind.", "Give a smaller `--max-rows`."),
  },
  "Joining a coordinator": {
    ERR_NO_COORDINATOR: entry(
      "No coordinator was found, or more than one.",
      "Start `pnpm coordinator`, or name its address with `--coordinator`.",
    ),
    ERR_CONNECT: entry(
      "Nobody answers at this address, or something that is no coordinator; or the connection failed.",
      "Check the address, and that the coordinator runs and the firewall lets the port through.",
    ),
    ERR_PROXY: entry(
      "The proxy that the environment names can't be used, or refuses the connection; downloads go through it, too.",
      "Correct `HTTPS_PROXY` or `HTTP_PROXY`, or name the hosts that are reached without it in `NO_PROXY`.",
    ),
    ERR_UNPROVED: entry(
      "A coordinator was found that can't show who it is, and a token is not sent to just anybody.",
      "Paste the command that the coordinator printed, with its address and, if there is one, its fingerprint.",
    ),
    ERR_TOKEN: entry(
      "The token is missing, wrong, or holds characters that it can't have.",
      "Give the coordinator's to the worker as `LOCKSTEP_TOKEN`.",
    ),
    ERR_REFUSED: entry(
      "The coordinator doesn't let this connection in: a web page's, or one under a name that isn't the coordinator's.",
      "Join with `pnpm worker`, and name the coordinator's other names with `--allow-host`.",
    ),
    ERR_LIMITED: entry(
      "Too many joins without the right token came from this address.",
      "Wait a minute, and join with the token.",
    ),
    ERR_FULL: entry(
      "As many workers are here as may be, or as the coordinator has memory for.",
      "Raise `--max-workers`, or do what `ERR_SUMS` asks for; a worker that comes back tries again by itself.",
    ),
    ERR_INSECURE: entry(
      "The token would cross the network for all to read, or a fingerprint was given for an address without TLS.",
      "Name the coordinator as `wss://`, or give `--insecure` on a network that you trust.",
    ),
    ERR_CERTIFICATE: entry(
      "A certificate or its key can't be used, or the coordinator's isn't the one that was expected.",
      "Compare the fingerprint with the one that the coordinator printed; see docs/security.md.",
    ),
    ERR_SECRET: entry(
      "The file that keeps the token or the key can't be kept, or others can read it.",
      "`chmod 600` it, or delete it to have a new one made.",
    ),
    ERR_NAME: entry("A worker of this name is here already.", "Choose another `--name`."),
    ERR_PROTOCOL: entry(
      "The worker speaks another version of the protocol.",
      "Use one version of Lockstep everywhere.",
    ),
    ERR_HANDSHAKE: entry(
      "The first messages weren't those that were expected, or came too late.",
      "Use one version of Lockstep everywhere; start the worker again.",
    ),
    ERR_FINGERPRINT: entry(
      "The worker's model, data or options differ from the first worker's, or its code from the coordinator's.",
      "Give all of them the same; the message names what differs.",
    ),
    ERR_HOLDS: entry(
      "The worker says that it holds a later step than was ever made.",
      "Start the worker again: it then holds nothing.",
    ),
    ERR_OTHER_RUN: entry(
      "Another run is at this address than the one that the worker took part in.",
      "Start the worker again.",
    ),
    ERR_OVER: entry("The run is over.", "Nothing; for another run start the worker again."),
  },
  "Workers of a run": {
    ERR_DISCONNECTED: entry(
      "The coordinator closed the connection, or went away and didn't come back in time.",
      "Go on with `pnpm coordinator --resume DIR`; a longer `--reconnect-ms` lets workers wait longer.",
    ),
    ERR_SILENT: entry(
      "The other side was not heard for several heartbeats.",
      "See whether it runs, and the network between; a worker comes again by itself.",
    ),
    ERR_STALLED: entry(
      "The worker lives, but finished nothing for `--stall-ms`.",
      "See what holds it up; raise `--stall-ms` if its slices take so long.",
    ),
    ERR_SLOW_READER: entry(
      "The worker doesn't take what it is sent, or too slowly.",
      "See to its link and its memory; it comes again by itself.",
    ),
    ERR_DISMISSED: entry(
      "Someone made the worker go, on the dashboard.",
      "Ask them why; start the worker again to take part.",
    ),
    ERR_STRIKES: entry(
      "Contributions of the worker were refused too often.",
      "Look for faulty memory, or another version, on that machine.",
    ),
    ERR_NOT_FINITE: entry(
      "A contribution held NaN or infinity; another worker computes the slice.",
      "If only this worker's are, look for faults of its device.",
    ),
    ERR_CONTRIBUTION: entry(
      "A contribution wasn't whole, or not over the samples of its slice.",
      "Use one version of Lockstep everywhere.",
    ),
    ERR_REPLICA: entry(
      "The weights of a worker differ from the others', though their devices are alike.",
      "Look for faulty memory or another version there; go on with `--resume` and without it.",
    ),
    ERR_ALL_LOST: entry("No worker is left that holds the weights.", "Start workers: the run goes on with them."),
    ERR_LOCAL_WORKER: entry("A worker process on this machine has ended.", "The lines above tell why; `--resume`."),
    ERR_WORKER: entry(
      "Something went wrong on a worker that is no error of a known kind.",
      "This may be a defect of Lockstep: please report the worker's output.",
    ),
    ERR_UNKNOWN: entry(
      "The other side told an error that this version doesn't know.",
      "Read the message that came with it; use one version of Lockstep everywhere.",
    ),
  },
  "Messages that are not as agreed": {
    ERR_MESSAGE: entry(
      "Bytes came that are no message of the protocol.",
      "Use one version of Lockstep everywhere; see docs/protocol.md.",
    ),
    ERR_MESSAGE_ORDER: entry("A message came that has no place there.", "Use one version of Lockstep everywhere."),
    ERR_PLAN: entry(
      "Gradients were to travel in a way that this model's can't.",
      "Use one version of Lockstep everywhere.",
    ),
    ERR_SLICE: entry(
      "A slice was asked for that isn't one of its step or of the data.",
      "Use one version of Lockstep everywhere.",
    ),
    ERR_ATTEMPT: entry(
      "A piece came for a slice that isn't the worker's, or for a step to come.",
      "Use one version of Lockstep everywhere.",
    ),
    ERR_CHUNK: entry(
      "A piece came that fits nowhere, was not asked for, or is one too many.",
      "Use one version of Lockstep everywhere.",
    ),
    ERR_COMMIT: entry(
      "A step was committed that isn't whole here, or has other samples.",
      "Use one version of Lockstep everywhere.",
    ),
  },
  Training: {
    ERR_SUMS: entry(
      "The dense gradients of all slices of a step would take more than half of the coordinator's memory.",
      "Take fewer or larger slices (`--slice-rows`, `--workers`), or let gradients travel as factors (`--sync`).",
    ),
    ERR_LOSS_NOT_FINITE: entry(
      "The loss is NaN or infinite; the update wasn't applied.",
      "Start a new run from the last good checkpoint with a lower `--lr`.",
    ),
    ERR_COMMAND: entry(
      "A command from the dashboard isn't one, or can't be carried out now.",
      "The message says why; see what state the run is in.",
    ),
    ERR_VERIFY: entry(
      "The runs that were compared don't give the same, or one of them didn't end well.",
      "The message says what differs first; on unlike machines allow for rounding with `--free-slices`.",
    ),
    ERR_BENCH: entry("Something that is needed for measuring is missing.", "Install it as the message says."),
  },
} satisfies Record<string, Record<`ERR_${string}`, CatalogueEntry>>;

type Catalogue = typeof catalogue;

/** Stable name of a kind of error, for programs. */
export type ErrorCode = { [Group in keyof Catalogue]: keyof Catalogue[Group] }[keyof Catalogue];

const codes = new Set<string>(Object.values(catalogue).flatMap((group) => Object.keys(group)));

/** Returns whether this version knows a code, which may come from another one. */
export function isErrorCode(code: string): code is ErrorCode {
  return codes.has(code);
}
