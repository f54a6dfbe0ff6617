#!/usr/bin/python3
"""torch.autograd.gradcheck on the cases of bench/check.py, one thread, as one line of JSON: milliseconds of its slow mode,
and the smallest wrong entry of a Jacobian that its fast mode notices."""
import json
import statistics
import time
import warnings

import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
torch.manual_seed(1)
warnings.simplefilter("ignore")
SLOW = {"atol": 1e-5, "eps": 1e-6}  # its defaults


def drawn(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).requires_grad_()


def mlp(widths, batch):
    """A function of the input and all weights and biases, and these."""
    inputs = [drawn(batch, widths[0])]
    for i, o in zip(widths, widths[1:]):
        inputs += [drawn(o, i, scale=i ** -0.5), drawn(o)]

    def run(x, *w):
        for k in range(0, len(w), 2):
            x = F.linear(x, w[k], w[k + 1])
            x = torch.tanh(x) if k + 2 < len(w) else x
        return x
    return run, inputs


def milliseconds(function, inputs, times):
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        assert gradcheck(function, inputs, **SLOW)
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)


def large():
    """784-256-10 with cross entropy, batch 64: the 266 biases are perturbed, and every other entry costs the same."""
    run, (x, w, b, v, c) = mlp([784, 256, 10], 64)
    labels, biases = torch.arange(64) % 10, b.numel() + c.numel()

    def loss(b, c):
        return F.cross_entropy(run(x.detach(), w.detach(), b, v.detach(), c), labels)
    taken = milliseconds(loss, (b, c), 3)
    return taken / biases * sum(t.numel() for t in (x, w, b, v, c)), biases


def wrong_by(forward, backward, d):
    """A function one entry of whose Jacobian is off by d."""
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, g):
            gradient = backward(ctx.saved_tensors[0], g)
            spot = torch.zeros_like(gradient)
            spot[-1] = g[1] * d
            return gradient + spot
    return Wrong.apply


def smallest_caught(forward, backward, n):
    """A power of ten, relative to entries of size 1."""
    x = torch.randn(n).requires_grad_()
    for power in range(-8, 7):
        if not gradcheck(wrong_by(forward, backward, 10.0 ** power), (x,), fast_mode=True, raise_exception=False):
            return 10.0 ** power
    return float("inf")


def linear(n, m):
    w = torch.randn(m, n)
    return lambda x: w @ x, lambda x, g: w.t() @ g, n


def pointwise(n):
    return torch.tanh, lambda x, g: g * (1 - torch.tanh(x) ** 2), n


def main():
    whole, perturbed = large()
    print(json.dumps({
        "small": milliseconds(*mlp([20, 50, 50, 10], 8), 3), "wide": milliseconds(*mlp([784, 64, 10], 4), 1),
        "large": whole, "perturbed": perturbed,
        "caught": [smallest_caught(*linear(10, 9)), smallest_caught(*linear(2000, 2000)), smallest_caught(*pointwise(16384))]}))


main()
