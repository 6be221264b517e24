"""Steps of the CIFAR-10 AlexNet in PyTorch: forward, backward, SGD with momentum, the loss read back.

    pytorch_step.py STEPS BATCH THREADS     prints one JSON object; the first 5 steps are not counted
"""
import json, sys, time
import torch, torch.nn as nn

WARMUP = 5
steps, batch, threads = map(int, sys.argv[1:])
torch.set_num_threads(threads)
torch.manual_seed(0)

widths = [3, 64, 256, 384, 256, 256]
layers = []
for k in range(1, 6):
    layers += [nn.Conv2d(widths[k - 1], widths[k], 3, padding=1), nn.ReLU()]
    layers += [nn.MaxPool2d(2, 2)] if k in (1, 2, 5) else []
layers += [nn.Flatten(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5)]
layers += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 10)]
model = nn.Sequential(*layers)
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
