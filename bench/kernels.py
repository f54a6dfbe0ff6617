#!/usr/bin/python3
"""PyTorch's side of bench/kernels.c: the same cases, one thread, `name nanoseconds`, medians of interleaved rounds."""
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)


def mlp(a, b):
    return nn.Sequential(nn.Linear(784, a), nn.ReLU(), nn.Linear(a, b), nn.ReLU(), nn.Linear(b, 10))


def forward(module, x):
    def run():
        with torch.no_grad():
            module(x)
    return run


def both(module, x, wrt, g):
    return lambda: torch.autograd.grad(module(x), wrt, g)


small, large = mlp(256, 128), mlp(512, 256)
flat, flat_g = torch.randn(1 << 20), torch.randn(1 << 20)
logits, labels = torch.randn(256, 1000, requires_grad=True), torch.zeros(256, dtype=torch.int64)
norm, image = nn.BatchNorm2d(64), torch.randn(16, 64, 32, 32, requires_grad=True)
cases = {
    "mlp_b1_forward": forward(small, torch.randn(1, 784)),
    "mlp_b64_forward": forward(small, torch.randn(64, 784)),
    "mlp_b128_both": both(large, torch.randn(128, 784), list(large.parameters()), torch.randn(128, 10)),
    "relu_1m_forward": forward(F.relu, flat),
    "tanh_1m_forward": forward(torch.tanh, flat),
    "softplus_1m_forward": forward(F.softplus, flat),
    "sigmoid_1m_forward": forward(torch.sigmoid, flat),
    "softmax_ce_256x1000_both": lambda: torch.autograd.grad(F.cross_entropy(logits, labels), logits),
    "batchnorm2d_1m_both": both(norm, image, [image, *norm.parameters()], torch.randn(16, 64, 32, 32)),
}
times = {name: [] for name in cases}
for _ in range(15):
    for name, run in cases.items():
        run()
        start = time.perf_counter()
        run()
        repeat = max(1, int(0.02 / (time.perf_counter() - start)))
        start = time.perf_counter()
        for _ in range(repeat):
            run()
        times[name].append((time.perf_counter() - start) / repeat * 1e9)
for name, t in times.items():
    print(name, f"{statistics.median(t):.2f}")
sys.stdout.flush()
