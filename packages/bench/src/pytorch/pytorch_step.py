"""Steps of the CIFAR-10 AlexNet in PyTorch: forward, backward, SGD with momentum, the loss read back.

    pytorch_step.py STEPS BATCH THREADS     prints one JSON object; the first 5 steps are not counted
"""
import json, sys
import torch
from pytorch_model import alexnet_cifar10, step_times

steps, batch, threads = map(int, sys.argv[1:])
torch.set_num_threads(threads)
torch.manual_seed(0)
print(json.dumps({"version": torch.__version__, "stepMs": step_times(alexnet_cifar10(), batch, steps)}))
