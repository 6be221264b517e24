"""Steps of the CIFAR-10 AlexNet in PyTorch: forward, backward, SGD with momentum, the loss read back.

    pytorch_step.py STEPS BATCH THREADS     prints one JSON object; the first 5 steps are not counted
"""
import json, sys, time
import torch, torch.nn as nn
from pytorch_model import alexnet_cifar10

WARMUP = 5
steps, batch, threads = map(int, sys.argv[1:])
torch.set_num_threads(threads)
torch.manual_seed(0)

model = alexnet_cifar10()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
images = torch.rand(batch, 3, 32, 32) * 2 - 1
labels = torch.arange(batch) % 10

step_ms = []
for _ in range(WARMUP + steps):
    start = time.perf_counter()
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    loss.item()
    step_ms.append((time.perf_counter() - start) * 1000)
print(json.dumps({"version": torch.__version__, "stepMs": step_ms[WARMUP:]}))
