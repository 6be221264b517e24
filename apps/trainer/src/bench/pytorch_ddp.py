"""Steps of the CIFAR-10 AlexNet in PyTorch's DistributedDataParallel over gloo, on the CPU: one process of several.

    pytorch_ddp.py RANK WORLD HOST PORT INTERFACE STEPS ROWS THREADS WIRE

HOST and PORT are where rank 0 listens, INTERFACE is the network interface that gloo uses, ROWS are the images of this
process, WIRE is fp32, or fp16 for PyTorch's own hook that halves the bytes (its bf16 hook refuses gloo). Buckets, SGD and the rest have PyTorch's
defaults. Rank 0 prints one JSON object; the first 5 steps are not counted.
"""
import json, os, sys, time

rank, world, host, port, interface, steps, rows, threads, wire = sys.argv[1:]
os.environ["GLOO_SOCKET_IFNAME"] = interface
os.environ["OMP_NUM_THREADS"] = threads

import torch, torch.distributed as dist, torch.nn as nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_hook
from torch.nn.parallel import DistributedDataParallel
from pytorch_model import alexnet_cifar10

WARMUP = 5
rank, world, steps, rows = int(rank), int(world), int(steps), int(rows)
torch.set_num_threads(int(threads))
dist.init_process_group("gloo", init_method=f"tcp://{host}:{port}", rank=rank, world_size=world)

torch.manual_seed(0)
model = DistributedDataParallel(alexnet_cifar10())
if wire == "fp16":
    model.register_comm_hook(None, fp16_compress_hook)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
torch.manual_seed(1 + rank)  # each process has images and dropout masks of its own
images = torch.rand(rows, 3, 32, 32) * 2 - 1
labels = torch.arange(rows) % 10

step_ms = []
for _ in range(WARMUP + steps):
    start = time.perf_counter()
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    loss.item()
    step_ms.append((time.perf_counter() - start) * 1000)
dist.barrier()
dist.destroy_process_group()
if rank == 0:
    print(json.dumps({"version": torch.__version__, "stepMs": step_ms[WARMUP:]}))
