#!/usr/bin/python3
"""PyTorch's side of bench/kernels.c: the same cases, one thread, `name nanoseconds`, medians of interleaved rounds, in
CPU time.

    bench/kernels.py [ROUNDS]        0: only the first line, about the machine"""
import ctypes
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

SLICE = 0.02


def mlp(a, b):
    return nn.Sequential(nn.Linear(784, a), nn.ReLU(), nn.Linear(a, b), nn.ReLU(), nn.Linear(b, 10))


def lenet():
    return nn.Sequential(nn.Conv2d(1, 6, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def forward(module, x):
    def run():
        with torch.inference_mode():
            module(x)
    return run


def both(module, x, wrt, g):
    return lambda: torch.autograd.grad(module(x), wrt, g)


def cases():
    small, large, norm, net, conv = mlp(256, 128), mlp(512, 256), nn.BatchNorm2d(64), lenet(), nn.Conv2d(64, 64, 3, padding=1)
    flat, image, image_g = torch.randn(1 << 20), torch.randn(16, 64, 32, 32, requires_grad=True), torch.randn(16, 64, 32, 32)
    logits, labels = torch.randn(256, 1000, requires_grad=True), torch.zeros(256, dtype=torch.int64)
    return {
        "mlp_b1_forward": forward(small, torch.randn(1, 784)),
        "mlp_b64_forward": forward(small, torch.randn(64, 784)),
        "mlp_b128_both": both(large, torch.randn(128, 784), list(large.parameters()), torch.randn(128, 10)),
        "relu_1m_forward": forward(F.relu, flat),
        "sigmoid_1m_forward": forward(torch.sigmoid, flat),
        "tanh_1m_forward": forward(torch.tanh, flat),
        "softplus_1m_forward": forward(F.softplus, flat),
        "softmax_ce_256x1000_both": lambda: torch.autograd.grad(F.cross_entropy(logits, labels), logits),
        "batchnorm2d_1m_both": both(norm, image, [image, *norm.parameters()], image_g),
        "lenet_b64_both": both(net, torch.randn(64, 1, 28, 28), list(net.parameters()), torch.randn(64, 10)),
        "conv2d_64_both": both(conv, image, [image, *conv.parameters()], image_g),
    }


def time_once(run):
    run()
    times, more, start = 0, 1, time.process_time()
    while True:
        for _ in range(more):
            run()
        times += more
        more *= 2
        spent = time.process_time() - start
        if spent >= SLICE:
            return spent / times * 1e9


def core():
    get = ctypes.CDLL("libopenblas.so.0").openblas_get_corename
    get.restype = ctypes.c_char_p
    return get().decode()


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("# core", core(), "torch", torch.__version__)
    runs = cases() if rounds else {}
    taken = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(time_once(run))
    for name, ns in taken.items():
        print(name, f"{statistics.median(ns):.2f}")


main()
