"""Steps of the CIFAR-10 AlexNet, a product and a convolution in PyTorch, in float32 without TF32.

    pytorch_gpu.py DEVICE BATCHES STEPS MATMUL_SIZE CONV_IMAGES     prints one JSON object; BATCHES as in 32,128,512
"""
import json, statistics, sys, time
from pathlib import Path
import torch, torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[2] / "packages/bench/src/pytorch"))
from pytorch_model import alexnet_cifar10, step_times

device, batches, steps, size, images = sys.argv[1], sys.argv[2].split(","), *map(int, sys.argv[3:])
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
torch.set_default_device(device)
torch.manual_seed(0)


def teraflops(operations, compute):
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for result in compute():
            result.flatten()[0].item()
        best = min(best, time.perf_counter() - start)
    return operations / best / 1e12


def backward():
    x.grad = filters.grad = None
    F.conv2d(x, filters, padding=1).backward(delta)
    return x.grad, filters.grad


result = {
    "version": torch.__version__,
    "device": torch.cuda.get_device_name() if device == "cuda" else device,
    "steps": [{"batch": int(rows), "stepMs": statistics.median(step_times(alexnet_cifar10(), int(rows), steps))} for rows in batches],
}
a = torch.rand(size, size) * 2 - 1
result["matmul"] = {"size": size, "teraflops": teraflops(2 * size**3, lambda: [a @ a])}
x = (torch.rand(images, 64, 16, 16) * 2 - 1).requires_grad_()
filters = (torch.rand(256, 64, 3, 3) * 2 - 1).requires_grad_()
delta = torch.rand(images, 256, 16, 16) * 2 - 1
operations = 2 * images * 16 * 16 * 3 * 3 * 64 * 256
with torch.no_grad():
    forward = teraflops(operations, lambda: [F.conv2d(x, filters, padding=1)])
result["convolution"] = {"images": images, "forwardTeraflops": forward, "backwardTeraflops": teraflops(3 * operations, backward)}
print(json.dumps(result))
