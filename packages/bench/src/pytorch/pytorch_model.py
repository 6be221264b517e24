"""The CIFAR-10 AlexNet in PyTorch, 36,113,290 parameters as alexnet-cifar10 of packages/model, and its measured steps."""
import time
import torch, torch.nn as nn

WARMUP = 5


def alexnet_cifar10():
    widths = [3, 64, 256, 384, 256, 256]
    layers = []
    for k in range(1, 6):
        layers += [nn.Conv2d(widths[k - 1], widths[k], 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2, 2)] if k in (1, 2, 5) else []
    layers += [nn.Flatten(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5)]
    layers += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 10)]
    return nn.Sequential(*layers)


def step_times(model, rows, steps):
    """Milliseconds of each step on one drawn batch: forward, backward, SGD with momentum, the loss read back."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
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
    return step_ms[WARMUP:]
