/**
 * The catalogue of error codes: the meaning of each code and its remedy. An error's own message describes the specific
 * case. `docs/errors.md` is generated from this table (`pnpm vitest run packages/errors -u`).
 */

/** The meaning of a code, and what to do about it. */
interface CatalogueEntry {
  meaning: string;
  remedy: string;
}

const entry = (meaning: string, remedy: string): CatalogueEntry => ({ meaning, remedy });

/** All error codes, grouped by the headings of docs/errors.md. */
export const catalogue = {
  "Options and folders": {
    ERR_OPTION: entry(
      "An option is unknown, has an invalid value, or conflicts with another option.",
      "Correct the option as the message says. `--help` lists all options.",
    ),
    ERR_NO_RUN: entry(
      "The given folder is not the folder of a run.",
      "Give the folder that the run printed; it contains a `config.json`.",
    ),
    ERR_RUN_EXISTS: entry(
      "The folder for a new run already contains a run.",
      "Continue that run with `--resume`, or choose another `--out`.",
    ),
    ERR_RUN_BUSY: entry(
      "Another process is training in this folder.",
      "Wait until it ends, stop it, or choose another folder for the new run.",
    ),
    ERR_RUN_TAKEN: entry(
      "Another process took over the run, because this process was suspended or could not reach the folder for a minute.",
      "No progress is lost. If this was not intended, stop the other process and continue with `--resume`.",
    ),
    ERR_RUN_FILE: entry(
      "The run's `config.json` cannot be read, or does not describe a run.",
      "Restore the file from a backup, or start a new run.",
    ),
    ERR_NOT_WRITABLE: entry(
      "A file or folder of the run is not writable.",
      "Check its permissions, or choose another folder with `--out`.",
    ),
    ERR_DISK_FULL: entry(
      "The disk is full. Existing checkpoints are intact.",
      "Free some space, then continue with `--resume`.",
    ),
    ERR_NO_HOME: entry(
      "This user has no home folder, where Lockstep stores its caches and secrets.",
      "Set `HOME`, or set `LOCKSTEP_CACHE`, `LOCKSTEP_DATA` and `XDG_CONFIG_HOME` to folders.",
    ),
    ERR_OUT_OF_MEMORY: entry(
      "A memory allocation failed. When Linux itself runs out of memory, it kills the process with SIGKILL instead, and no message appears.",
      "Free some memory or raise the limit, or use a smaller model, a smaller `--batch-size` or `--max-rows`, or fewer workers.",
    ),
    ERR_OPEN_FILES: entry(
      "This process or the machine has reached its limit of open files.",
      "Raise the limit with `ulimit -n 4096` in the shell that starts the program. A coordinator needs one file descriptor per worker.",
    ),
    ERR_LISTEN: entry(
      "The port is in use, binding to it requires privileges, or the address does not belong to this machine.",
      "Choose another `--port`, or correct `--host`.",
    ),
  },
  Data: {
    ERR_DATA_FILE: entry(
      "A file of the data set is missing, truncated, or has unexpected content.",
      "Delete the cached files to download them again. For `--data-dir`, unpack the archive again or give another folder.",
    ),
    ERR_DATA_ARCHIVE: entry(
      "The downloaded file is not the archive of the data set; it was deleted.",
      "Run the command again, or download the files yourself and pass their folder as `--data-dir`.",
    ),
    ERR_DOWNLOAD: entry(
      "The data set could not be downloaded.",
      "Check the network and run the same command again: the download resumes where it stopped. Or pass a folder that contains the files as `--data-dir`.",
    ),
    ERR_IMAGE_FILE: entry(
      "An image is not a valid PNG or JPEG file, or is too large.",
      "Save it as PNG or JPEG, with at most 100 million pixels and 128 MiB.",
    ),
    ERR_TRAIN_FRACTION: entry(
      "`--train-fraction` leaves no samples to train on.",
      "Give a `--train-fraction` above 0 and at most 1 that leaves at least one sample.",
    ),
    ERR_NORMALIZE: entry(
      "`--normalize` is invalid, or does not match the channels of the images.",
      "Give `half`, `dataset`, or one mean and one standard deviation per channel.",
    ),
    ERR_BATCH_THREAD: entry(
      "The thread that prepares batches has exited, most likely because it ran out of memory.",
      "Check how much memory is free, then continue with `--resume`.",
    ),
    ERR_RECORDS: entry(
      "Data set records that a worker requested from the coordinator did not arrive, arrived damaged, or were requested incorrectly.",
      "Check that the coordinator is running and reachable, or give the worker the files with `--data-dir`.",
    ),
    ERR_RECORD_CACHE: entry(
      "The records from the coordinator cannot be cached on this disk.",
      "Free some space, or set `LOCKSTEP_DATA` to another folder.",
    ),
  },
  Models: {
    ERR_MODEL_NAME: entry(
      "No model has this name.",
      "Give the name of a built-in model or the path of a module; see docs/models.md.",
    ),
    ERR_MODEL_MODULE: entry(
      "The module of a model is missing, cannot be loaded, or exports no model.",
      "Correct the module as docs/models.md shows.",
    ),
    ERR_MODEL_SPEC: entry(
      "A layer of the model is invalid, or does not match the output of the layer before it.",
      "Correct the layer that the message names. `pnpm train --describe` prints the shapes.",
    ),
    ERR_MODEL_REFUSED: entry(
      "The model can be built, but Lockstep cannot train or export it.",
      "Change what the message names. docs/models.md lists the requirements for a model.",
    ),
    ERR_MODEL_DATA: entry(
      "The model's input or output does not match the data set.",
      "Give `--num-classes` or `--input-channels`, or change the model.",
    ),
    ERR_MODEL_CHANGED: entry(
      "The model has changed since the run started.",
      "Restore the model, or start a new run with `--init-from`.",
    ),
    ERR_MODEL_CODE: entry(
      "The run's model is defined by code, and code is never sent to workers.",
      "Copy the model's file to the worker and pass it there as `--model`.",
    ),
    ERR_MODEL: entry(
      "The worker does not have the model that the coordinator named, or it built a model that differs from the run's.",
      "Use the same version of Lockstep everywhere, and give the worker its own copy of the model with `--model`.",
    ),
    ERR_TOPOLOGY: entry(
      "TensorFlow.js cannot load the model topology that a worker sent.",
      "Use the same version of Lockstep on all machines.",
    ),
    ERR_STATE_DICT: entry(
      "The weights belong to another model: tensor names or shapes differ.",
      "Use the weights with the model that they were trained for.",
    ),
    ERR_ONNX_LAYER: entry(
      "A layer cannot be expressed in ONNX.",
      "Export with `--to tfjs`, which supports every model. docs/models.md lists what ONNX supports.",
    ),
    ERR_ONNX_TOO_LARGE: entry(
      "The weights exceed the maximum size of an ONNX file.",
      "Export with `--to safetensors`.",
    ),
    ERR_EXPORT: entry(
      "The exported model was loaded again for a check, and its predictions differ from those of the run's model. The export was deleted.",
      "Follow the message. Custom layer classes must be registered with `tf.serialization.registerClass`.",
    ),
    ERR_NO_TFJS: entry(
      "The run has not written its `tfjs/` folder yet.",
      "Wait until the run ends, or export the files with `pnpm export --run DIR --to tfjs`.",
    ),
  },
  "Checkpoints and weight files": {
    ERR_NO_CHECKPOINT: entry(
      "The run has no readable checkpoint.",
      "Start the run again. A new run can load weights from a file with `--init-from`.",
    ),
    ERR_CHECKPOINT: entry(
      "A checkpoint file is incomplete or damaged.",
      "Use an earlier checkpoint, or the original if the file is a copy.",
    ),
    ERR_SAFETENSORS: entry(
      "A `.safetensors` file cannot be read, is damaged, or has another format.",
      "Copy it again, use another file, or convert it as the message says.",
    ),
    ERR_WEIGHTS_NOT_FINITE: entry(
      "A weight in the file is NaN or infinite.",
      "Use weights that were saved before training diverged, for example an earlier checkpoint.",
    ),
    ERR_TENSORS: entry(
      "Tensors to write have a duplicate name, or a number of elements that does not match their shape.",
      "This is a bug in Lockstep: please report it with the command that you ran.",
    ),
    ERR_ZIP_TOO_LARGE: entry(
      "The weights exceed the maximum size of a `.pth` file.",
      "Export with `--to safetensors`.",
    ),
    ERR_METRICS: entry(
      "A line of `metrics.jsonl` is not one that a run writes, or rows are missing.",
      "Remove the line, or continue from a checkpoint before it.",
    ),
    ERR_STATE_LOST: entry(
      "The worker that was sending its weights disconnected.",
      "No action is needed: another checkpoint follows, and a worker that was waiting for the weights reconnects.",
    ),
  },
  "Engines and GPUs": {
    ERR_NO_BACKEND: entry(
      "No TensorFlow.js backend starts on this machine.",
      "Run `pnpm run doctor` to see what is missing.",
    ),
    ERR_BACKEND_NAME: entry("No backend has this name.", "Choose `native`, `webgpu`, `wasm` or `cpu`."),
    ERR_THREADS: entry(
      "The number of threads is not an integer of at least 1.",
      "Give a valid number with `--threads`.",
    ),
    ERR_CACHE: entry("The cache folder is not writable.", "Set `LOCKSTEP_CACHE` to another folder."),
    ERR_NOEXEC: entry(
      "The cache folder, or the folder of libtensorflow, is on a file system that is mounted with `noexec`.",
      "Set `LOCKSTEP_CACHE` (or `LOCKSTEP_LIBTENSORFLOW`) to a folder on another file system, or mount it without `noexec`.",
    ),
    ERR_PLATFORM: entry(
      "Native TensorFlow does not support this operating system or processor.",
      "Train with WebGPU or WebAssembly, or on Linux x64.",
    ),
    ERR_NO_AVX: entry(
      "Native TensorFlow needs a processor with AVX.",
      "Train with WebAssembly, or use another processor.",
    ),
    ERR_NO_LIBTENSORFLOW: entry("TensorFlow is not installed.", "Run `pnpm run doctor --fix` to install it."),
    ERR_LIBTENSORFLOW: entry(
      "Files are missing in the given or installed folder of libtensorflow.",
      "Set `LOCKSTEP_LIBTENSORFLOW` to a folder that contains the files, or unset it.",
    ),
    ERR_TFJS_DOWNLOAD: entry(
      "The libtensorflow archive that TensorFlow.js provides could not be downloaded or unpacked.",
      "Check the network and the disk, or install it manually; see docs/gpu.md.",
    ),
    ERR_NO_PYTHON: entry("TensorFlow is installed with pip, but Python was not found.", "Install `python3` with pip."),
    ERR_NO_PIP: entry("TensorFlow is installed with pip, but this Python has no pip.", "Run `python3 -m ensurepip`."),
    ERR_WHEEL_DOWNLOAD: entry(
      "pip could not download TensorFlow.",
      "Follow the message. Check the network, `HTTPS_PROXY` and `PIP_INDEX_URL`.",
    ),
    ERR_WHEEL_HASH: entry(
      "The file that pip downloaded does not have the expected hash; it was deleted.",
      "Check which index pip uses: `pip config list`.",
    ),
    ERR_WHEEL_UNPACK: entry("The file that pip downloaded could not be unpacked.", "Check whether the disk is full."),
    ERR_NO_COMPILER: entry(
      "The native addon needs a C++ compiler, and none was found.",
      "Install g++ or clang, or set `CXX` to your compiler.",
    ),
    ERR_ADDON_BUILD: entry(
      "The native addon did not compile.",
      "Try another compiler (`CXX`) or another libtensorflow (`LOCKSTEP_LIBTENSORFLOW`).",
    ),
    ERR_ADDON_LOAD: entry(
      "The native addon, or a library that it needs, cannot be loaded.",
      "Run `pnpm run doctor` to see which one. `pnpm run doctor --fix` rebuilds the addon.",
    ),
    ERR_WASM: entry(
      "WebAssembly is not available.",
      "Run `pnpm run doctor` to see why, or choose another `--backend`.",
    ),
    ERR_NO_GPU: entry(
      "A GPU was requested, and none is usable.",
      "The message gives the reasons for CUDA and for WebGPU. Without `--gpu`, training runs on the CPU.",
    ),
    ERR_GPU_INDEX: entry("No GPU has this index.", "Choose one of the GPUs that the message lists."),
    ERR_GPU_BACKEND: entry(
      "`--gpu` and `--backend` conflict: a GPU was requested for a backend that uses none, or disabled for a backend that needs one.",
      "Omit `--gpu` or `--backend`.",
    ),
    ERR_GPU_FAULT: entry(
      "The GPU failed or was lost.",
      "Update its driver, reduce its memory use, and continue with `--resume`.",
    ),
    ERR_NO_NVIDIA: entry(
      "No NVIDIA driver was found.",
      "Install the driver, or start the container with its GPUs (`docker run --gpus all`).",
    ),
    ERR_GPU_DRIVER: entry(
      "The NVIDIA driver does not respond.",
      "Reinstall the driver. If it was just updated, restart the machine.",
    ),
    ERR_OLD_GPU_DRIVER: entry("The NVIDIA driver is too old for CUDA 12.", "Update the driver."),
    ERR_CUDA_LIBRARIES: entry("CUDA libraries are missing.", "Run `pnpm run doctor --fix` to install them."),
    ERR_NO_CUDA: entry(
      "This machine has a GPU, but no TensorFlow with CUDA support.",
      "Run `pnpm run doctor --fix` to install it.",
    ),
    ERR_GPU_UNUSED: entry(
      "TensorFlow was loaded, but does not use the GPU.",
      "Run with `TF_CPP_MIN_LOG_LEVEL=0` to see TensorFlow's log.",
    ),
    ERR_NO_WEBGPU: entry("WebGPU cannot be loaded.", "Run `pnpm install` to install it. On Linux it needs Vulkan."),
    ERR_NO_ADAPTER: entry(
      "WebGPU found no GPU.",
      "Install the driver of the graphics card, on Linux with Vulkan support.",
    ),
    ERR_SOFTWARE_GPU: entry(
      "WebGPU found only a GPU that is emulated in software.",
      "Install the driver of the graphics card. Without a graphics card, choose another `--backend`.",
    ),
    ERR_WEBGPU: entry("WebGPU found a GPU, but could not open it.", "Update its driver."),
    ERR_TENSOR_SIZE: entry("A tensor exceeds the maximum buffer size of this GPU.", "Give a smaller `--max-rows`."),
  },
  "Joining a coordinator": {
    ERR_NO_COORDINATOR: entry(
      "Discovery found no coordinator, or more than one.",
      "Start `pnpm coordinator`, or give its address with `--coordinator`.",
    ),
    ERR_CONNECT: entry(
      "No coordinator responds at this address, or the connection failed.",
      "Check the address, that the coordinator is running, and that no firewall blocks the port.",
    ),
    ERR_PROXY: entry(
      "The proxy in the environment is invalid, or refuses the connection. Downloads use the same proxy.",
      "Correct `HTTPS_PROXY` or `HTTP_PROXY`, or list hosts to reach directly in `NO_PROXY`.",
    ),
    ERR_UNPROVED: entry(
      "Discovery found a coordinator that cannot prove its identity, so the token was not sent.",
      "Use the command that the coordinator printed, with its address and, if present, its fingerprint.",
    ),
    ERR_TOKEN: entry(
      "The token is missing, wrong, or contains invalid characters.",
      "Set `LOCKSTEP_TOKEN` on the worker to the coordinator's token.",
    ),
    ERR_REFUSED: entry(
      "The coordinator refused the connection: it came from a web page, or used a host name that the coordinator does not know.",
      "Join with `pnpm worker`, and list further host names of the coordinator with `--allow-host`.",
    ),
    ERR_LIMITED: entry(
      "Too many attempts to join with a wrong or missing token came from this address.",
      "Wait a minute, then join with the right token.",
    ),
    ERR_FULL: entry(
      "The coordinator has reached its maximum number of workers, or the number that its memory allows.",
      "Raise `--max-workers`, or follow the advice for `ERR_SUMS`. A worker that reconnects retries automatically.",
    ),
    ERR_INSECURE: entry(
      "The token would cross the network unencrypted, or a fingerprint was given for an address without TLS.",
      "Use a `wss://` address, or give `--insecure` on a network that you trust.",
    ),
    ERR_CERTIFICATE: entry(
      "A certificate or its key is invalid, or the coordinator's certificate is not the expected one.",
      "Compare the fingerprint with the one that the coordinator printed; see docs/security.md.",
    ),
    ERR_SECRET: entry(
      "The file that stores the token or the key cannot be written, or other users can read it.",
      "Run `chmod 600` on it, or delete it to create a new one.",
    ),
    ERR_NAME: entry("Another worker already has this name.", "Choose another `--name`."),
    ERR_PROTOCOL: entry(
      "The worker uses another version of the protocol.",
      "Use the same version of Lockstep everywhere.",
    ),
    ERR_HANDSHAKE: entry(
      "The first messages of a connection were unexpected, or arrived too late.",
      "Use the same version of Lockstep everywhere, and restart the worker.",
    ),
    ERR_FINGERPRINT: entry(
      "The worker's model, data or options differ from the first worker's, or its code differs from the coordinator's.",
      "Make them the same on all machines. The message names what differs.",
    ),
    ERR_HOLDS: entry(
      "The worker reports weights of a later step than the run has reached.",
      "Restart the worker, so that it joins without weights.",
    ),
    ERR_OTHER_RUN: entry(
      "The coordinator at this address now trains a different run from the one that the worker joined.",
      "Restart the worker.",
    ),
    ERR_OVER: entry("The run has finished.", "No action is needed. Restart the worker to join another run."),
  },
  "Workers of a run": {
    ERR_DISCONNECTED: entry(
      "The coordinator closed the connection, or disconnected and did not return in time.",
      "Continue with `pnpm coordinator --resume DIR`. With a larger `--reconnect-ms`, workers wait longer.",
    ),
    ERR_SILENT: entry(
      "Nothing arrived from the other end for several heartbeat intervals.",
      "Check that it is running, and check the network. A worker reconnects automatically.",
    ),
    ERR_STALLED: entry(
      "The worker is alive, but made no progress for `--stall-ms`.",
      "Check what blocks the worker. Raise `--stall-ms` if its slices take that long.",
    ),
    ERR_SLOW_READER: entry(
      "The worker reads the data that it is sent too slowly, or not at all.",
      "Check its link and its memory. It reconnects automatically.",
    ),
    ERR_DISMISSED: entry(
      "The worker was removed on the dashboard.",
      "Ask who removed it and why. Restart the worker to join again.",
    ),
    ERR_STRIKES: entry(
      "Too many contributions of the worker were rejected.",
      "Check that machine for faulty memory or another version of Lockstep.",
    ),
    ERR_NOT_FINITE: entry(
      "A contribution contained NaN or infinity; another worker computes the slice again.",
      "If this happens on one worker only, check its device for faults.",
    ),
    ERR_CONTRIBUTION: entry(
      "A contribution was incomplete, or did not cover exactly the samples of its slice.",
      "Use the same version of Lockstep everywhere.",
    ),
    ERR_REPLICA: entry(
      "A worker's weights differ from the other replicas', although their devices are of the same kind.",
      "Check that machine for faulty memory or another version of Lockstep, and continue with `--resume` without it.",
    ),
    ERR_ALL_LOST: entry("No worker that holds the weights is left.", "Start workers: the run continues with them."),
    ERR_LOCAL_WORKER: entry(
      "A worker process on this machine exited.",
      "See the lines above for the reason, then continue with `--resume`.",
    ),
    ERR_WORKER: entry(
      "A worker failed with an unexpected error.",
      "This may be a bug in Lockstep: please report it with the worker's output.",
    ),
    ERR_UNKNOWN: entry(
      "The other end sent an error code that this version does not know.",
      "Read the message that came with it, and use the same version of Lockstep everywhere.",
    ),
  },
  "Protocol violations": {
    ERR_MESSAGE: entry(
      "The received bytes are not a valid message of the protocol.",
      "Use the same version of Lockstep everywhere; see docs/protocol.md.",
    ),
    ERR_MESSAGE_ORDER: entry(
      "A message arrived that is not valid in the current state of the connection.",
      "Use the same version of Lockstep everywhere.",
    ),
    ERR_PLAN: entry(
      "The plan for exchanging gradients does not match the model.",
      "Use the same version of Lockstep everywhere.",
    ),
    ERR_SLICE: entry(
      "A requested slice is not a slice of its step, or is outside the data set.",
      "Use the same version of Lockstep everywhere.",
    ),
    ERR_ATTEMPT: entry(
      "A chunk arrived for a slice that is not assigned to the worker, or for a future step.",
      "Use the same version of Lockstep everywhere.",
    ),
    ERR_CHUNK: entry(
      "A chunk has an invalid position or size, was not requested, or exceeds a limit.",
      "Use the same version of Lockstep everywhere.",
    ),
    ERR_COMMIT: entry(
      "A step was committed that is incomplete on this worker, or has other samples.",
      "Use the same version of Lockstep everywhere.",
    ),
  },
  Training: {
    ERR_SUMS: entry(
      "The dense gradients of all slices of a step would take more than half of the coordinator's memory.",
      "Use fewer or larger slices (`--slice-rows`, `--workers`), or exchange gradients as factors (`--sync`).",
    ),
    ERR_LOSS_NOT_FINITE: entry(
      "The loss is NaN or infinite; the update was not applied.",
      "Start a new run from the last good checkpoint with a lower `--lr`.",
    ),
    ERR_COMMAND: entry(
      "A command from the dashboard is invalid, or not possible in the current state of the run.",
      "See the message for the reason, and check the state of the run.",
    ),
    ERR_VERIFY: entry(
      "The compared runs differ, or one of them failed.",
      "The message names the first difference. On machines of different kinds, allow for rounding with `--free-slices`.",
    ),
    ERR_BENCH: entry("Something that the benchmark needs is missing.", "Install it as the message says."),
  },
} satisfies Record<string, Record<`ERR_${string}`, CatalogueEntry>>;

type Catalogue = typeof catalogue;

/** Stable identifier of a kind of error, for programs. */
export type ErrorCode = { [Group in keyof Catalogue]: keyof Catalogue[Group] }[keyof Catalogue];

const codes = new Set<string>(Object.values(catalogue).flatMap((group) => Object.keys(group)));

/** Returns whether this version defines a code, which may come from a peer with another version. */
export function isErrorCode(code: string): code is ErrorCode {
  return codes.has(code);
}
