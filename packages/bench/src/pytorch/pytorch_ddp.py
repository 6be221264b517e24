"""Steps of the CIFAR-10 AlexNet in PyTorch's DistributedDataParallel over gloo, on the CPU: one process of several.

    pytorch_ddp.py RANK WORLD HOST PORT INTERFACE STEPS ROWS THREADS WIRE

HOST and PORT are where rank 0 listens, INTERFACE is the network interface that gloo uses, ROWS are the images of this
process, WIRE is fp32, or fp16 for PyTorch's own hook that halves the bytes (its bf16 hook refuses gloo). Buckets, SGD
and the rest have PyTorch's defaults. Rank 0 prints one JSON object; the first 5 steps are not counted.
"""
import json, os, sys

rank, world, host, port, interface, steps, rows, threads, wire = sys.argv[1:]
os.environ["GLOO_SOCKET_IFNAME"] = interface
os.environ["OMP_NUM_THREADS"] = threads

import torch, torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_hook
from torch.nn.parallel import DistributedDataParallel
from pytorch_model import alexnet_cifar10, step_times

rank, world, steps, rows = int(rank), int(world), int(steps), int(rows)
torch.set_num_threads(int(threads))
dist.init_process_group("gloo", init_method=f"tcp://{host}:{port}", rank=rank, world_size=world)

torch.manual_seed(0)
model = DistributedDataParallel(alexnet_cifar10())
if wire == "fp16":
    model.register_comm_hook(None, fp16_compress_hook)
torch.manual_seed(1 + rank)  # each process has images and dropout masks of its own
step_ms = step_times(model, rows, steps)
dist.barrier()
dist.destroy_process_group()
if rank == 0:
    print(json.dumps({"version": torch.__version__, "stepMs": step_ms}))
