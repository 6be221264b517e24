#!/usr/bin/env bash
# Measures Lockstep on the GPU of this machine, and writes a JSON file:
#
#     test/gpu/run.sh [--out gpu.json] [--backend native|webgpu] [--gpu INDEX] [--peak TFLOPS] [--python PYTHON] [--dry-run]
#
# The doctor; losses, gradients and updates against PyTorch's; 200 steps of alexnet-cifar10 on shapes with batches of 32,
# 128 and 512; bytes and time of reading gradients back; products and convolutions, as shares of --peak, what the card's
# data sheet says of float32 without tensor cores; and all of that in PyTorch too, where PYTHON has a torch with CUDA.
# Ends with 1 where no GPU can be used, or where the numbers differ from PyTorch's.
#
# It needs no network and no Node if test/gpu/pack.sh has made test/gpu/carried.tar.gz; else it runs from the sources.
# --dry-run takes the smallest sizes, to see that all of it runs; with LOCKSTEP_ALLOW_SOFTWARE_GPU=1 it does so without a
# GPU, on SwiftShader say, in some minutes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$work}" # Vulkan's loader complains without
export PIP_NO_INDEX=1                              # CUDA is used where it is installed, and not fetched

if [ -e "$here/carried.tar.gz" ]; then
  mkdir "$work/carried"
  tar -xzf "$here/carried.tar.gz" -C "$work/carried"
  program=("$work/carried/bin/node" "$work/carried/test/dist/gpu/main.js")
  if ! /sbin/ldconfig -p | grep libvulkan.so.1 >"$work/loader"; then
    export LD_LIBRARY_PATH="$work/carried/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  fi
elif [ -e "$here/../../node_modules" ] && command -v node >"$work/node"; then
  root=$(cd "$here/../.." && pwd)
  tsx=$root/node_modules/tsx/dist/esm/index.mjs
  program=(node --import "file://$tsx" --conditions=lockstep-source "$root/test/src/gpu/main.ts")
else
  echo "Expected test/gpu/carried.tar.gz or installed packages, found neither. Run test/gpu/pack.sh on a machine with a network." >&2
  exit 1
fi

# Containers get NVIDIA's driver where Vulkan's loader does not look.
nvidia=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
if [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && [ -e "$nvidia" ] &&
  [ ! -e /usr/share/vulkan/icd.d/nvidia_icd.json ] && [ ! -e /etc/vulkan/icd.d/nvidia_icd.json ]; then
  export VK_ICD_FILENAMES="$nvidia" # the name that every loader knows
fi

"${program[@]}" "$@"
