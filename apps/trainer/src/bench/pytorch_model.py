"""The CIFAR-10 AlexNet in PyTorch: 36,113,290 parameters, as alexnet-cifar10 of packages/model."""
import torch.nn as nn


def alexnet_cifar10():
    widths = [3, 64, 256, 384, 256, 256]
    layers = []
    for k in range(1, 6):
        layers += [nn.Conv2d(widths[k - 1], widths[k], 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2, 2)] if k in (1, 2, 5) else []
    layers += [nn.Flatten(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5)]
    layers += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 10)]
    return nn.Sequential(*layers)
