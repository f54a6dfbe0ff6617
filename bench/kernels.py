#!/usr/bin/python3
"""PyTorch's side of bench/kernels.c: the same cases, one thread, `name nanoseconds`, medians of interleaved rounds, in
CPU time.

    bench/kernels.py [ROUNDS [PART OF A NAME]]        0: only the first line, about the machine
    bench/kernels.py memory NAME                      `name bytes`: by how much this network makes the process grow"""
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


def conv3():
    return nn.Conv2d(64, 64, 3, padding=1, bias=False)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(conv3(), nn.BatchNorm2d(64), nn.ReLU(), conv3(), nn.BatchNorm2d(64))

    def forward(self, x):
        return torch.relu(self.f(x) + x)


class Sequence(nn.LSTM):
    def forward(self, x):
        return super().forward(x)[0]


def forward(function, *shape):
    x = torch.randn(shape)

    def run():
        with torch.inference_mode():
            function(x)
    return run


def both(function, *shape, outputs=None):
    """Gradients of all that is learned; with `outputs`, the size of a last layer's rows, x is data and has none."""
    x = torch.randn(shape, requires_grad=not outputs)
    g = torch.randn((shape[0], outputs) if outputs else shape)
    wrt = [] if outputs else [x]
    wrt += function.parameters() if isinstance(function, nn.Module) else []
    return lambda: torch.autograd.grad(function(x), wrt, g)


def cross_entropy(n):
    logits, labels = torch.randn(n, 1000, requires_grad=True), torch.zeros(n, dtype=torch.int64)
    return lambda: torch.autograd.grad(F.cross_entropy(logits, labels), logits)


# name -> its first size, and what makes it
FLAT, IMAGE = 1 << 20, (64, 32, 32)
POINTWISE = {"relu": F.relu, "leaky_relu": F.leaky_relu, "elu": F.elu, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
             "softplus": F.softplus, "silu": F.silu, "gelu": F.gelu}
CASES = {
    "mlp_b1_forward": (1, lambda n: forward(mlp(256, 128), n, 784)),
    "mlp_b64_forward": (64, lambda n: forward(mlp(256, 128), n, 784)),
    "mlp_b128_both": (128, lambda n: both(mlp(512, 256), n, 784, outputs=10)),
    **{f"{k}_1m_forward": (FLAT, lambda n, f=POINTWISE[k]: forward(f, n)) for k in ("relu", "sigmoid", "tanh", "softplus")},
    **{f"{k}_1m_both": (FLAT, lambda n, f=f: both(f, n)) for k, f in POINTWISE.items()},
    "softmax_ce_256x1000_both": (256, cross_entropy),
    "batchnorm2d_1m_both": (16, lambda n: both(nn.BatchNorm2d(64), n, *IMAGE)),
    "conv2d_64_both": (16, lambda n: both(conv3(), n, *IMAGE)),
    "residual_b16_both": (16, lambda n: both(Residual(), n, *IMAGE)),
    "lenet_b64_both": (64, lambda n: both(lenet(), n, 1, 28, 28, outputs=10)),
    "lstm_t50_b32_both": (50, lambda n: both(Sequence(128, 128), n, 32, 128)),
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


def measure_times(rounds, part):
    runs = {name: make(n) for name, (n, make) in CASES.items() if part in name}
    taken = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(time_once(run))
    for name, ns in taken.items():
        print(name, f"{statistics.median(ns):.2f}")


def kibibytes(key):
    with open("/proc/self/status") as f:
        return next(int(row.split()[1]) for row in f if row.startswith(key))


def forget_peak():
    """From now on the peak (VmHWM) counts anew."""
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")


def measure_memory(name):
    n, make = CASES[name]
    make(1)()  # with it comes what is there once for all: code, buffers of OpenBLAS
    run = make(n)
    forget_peak()
    before = kibibytes("VmRSS:")
    for _ in range(3):
        run()
    print(name, (kibibytes("VmHWM:") - before) * 1024)


def core():
    get = ctypes.CDLL("libopenblas.so.0").openblas_get_corename
    get.restype = ctypes.c_char_p
    return get().decode()


def main(first="5", second=""):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if first == "memory":
        return measure_memory(second)
    print("# core", core(), "torch", torch.__version__)
    if first != "0":
        measure_times(int(first), second)


main(*sys.argv[1:])
