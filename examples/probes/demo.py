#!/usr/bin/env python3
"""Six gradients that live here and not in the service: numpy and PyTorch, right and wrong, smooth and at a kink.

    demo.py [http://127.0.0.1:8080]

Exit status 0: every verdict is the one it should be.
"""
import sys

import numpy as np

from probes import SERVICE, check, table

# ---- numpy -------------------------------------------------------------------------------------------------------


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def attention(q, k, v):
    """Scaled dot products: every query asks every key."""
    return softmax(q @ k.T / np.sqrt(q.shape[1])) @ v


def attention_gradient(at, g):
    q, k, v, g = at["q"], at["k"], at["v"], g["y"]
    p, scale = softmax(q @ k.T / np.sqrt(q.shape[1])), 1 / np.sqrt(q.shape[1])
    dp = g @ v.T
    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True)) * scale
    return {"q": ds @ k, "k": ds.T @ q, "v": p.T @ g}


def attention_gradient_forgetful(at, g):
    """The sum over the row is missing from the softmax."""
    q, k, v, g = at["q"], at["k"], at["v"], g["y"]
    p, scale = softmax(q @ k.T / np.sqrt(q.shape[1])), 1 / np.sqrt(q.shape[1])
    ds = p * (g @ v.T) * scale
    return {"q": ds @ k, "k": ds.T @ q, "v": p.T @ g}


ATTENTION = {"inputs": {"q": (5, 3), "k": (7, 3), "v": (7, 4)}, "outputs": {"y": (5, 4)}}


def relu(x):
    return np.maximum(x, 0)


def relu_gradient(slope_at_zero):
    """Whoever says 0, 1 or something between at the kink is right; 1.2 is not between."""
    return lambda at, g: {"x": g["y"] * np.where(at["x"] == 0, slope_at_zero, at["x"] > 0)}


KINK = {"inputs": {"x": (4,)}, "outputs": {"y": (4,)}, "at": [{"x": [0.0, -1.0, 2.0, 1e-7]}]}

# ---- PyTorch -----------------------------------------------------------------------------------------------------


def of_module(torch, module, shape):
    """A module as a function of its input and its parameters, and PyTorch's own gradient of it. In float64."""
    module = module.double()
    learned = dict(module.named_parameters())
    inputs = {"input": shape, **{name: tuple(p.shape) for name, p in learned.items()}}

    def forward(values):
        x = torch.tensor(values["input"], requires_grad=True)
        with torch.no_grad():
            for name, p in learned.items():
                p.copy_(torch.tensor(values[name]))
        return x, module(x)

    def function(**values):
        return forward(values)[1].detach().numpy()

    def gradient(at, g):
        x, y = forward(at)
        module.zero_grad()
        (y * torch.tensor(g["y"])).sum().backward()
        return {"input": x.grad.numpy(), **{name: p.grad.numpy() for name, p in learned.items()}}

    shape_of_y = tuple(module(torch.zeros(shape, dtype=torch.float64)).shape)
    return {"function": function, "gradient": gradient, "inputs": inputs, "outputs": {"y": shape_of_y}}


def swish_with_a_mistake(torch):
    """x sigmoid(x) with a backward of one's own, in which the product rule was forgotten."""

    class Swish(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * torch.sigmoid(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * torch.sigmoid(x)

    class Module(torch.nn.Module):
        def forward(self, x):
            return Swish.apply(x)

    return Module()


# ---- all of them -------------------------------------------------------------------------------------------------


def cases():
    """(what, wanted verdict, arguments of check)"""
    yield "numpy: attention", "right", {"function": attention, "gradient": attention_gradient, **ATTENTION}
    forgetful = {"function": attention, "gradient": attention_gradient_forgetful, **ATTENTION}
    yield "numpy: attention, a sum forgotten", "wrong", forgetful
    yield "numpy: ReLU at its kink", "right", {"function": relu, "gradient": relu_gradient(0.0), **KINK}
    yield "numpy: ReLU at its kink, 1.2", "wrong", {"function": relu, "gradient": relu_gradient(1.2), **KINK}
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: its two modules are left out (Debian: python3-torch)\n")
        return
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.LayerNorm(6), torch.nn.Linear(6, 3))
    yield "PyTorch: a network with layer norm", "right", of_module(torch, network, (5, 4))
    yield "PyTorch: a Swish of one's own", "wrong", of_module(torch, swish_with_a_mistake(torch), (5, 3))


def main(service):
    surprises = 0
    for what, wanted, arguments in cases():
        verdict = check(service=service, **arguments)
        print(f"{what}\n{table(verdict)}\n")
        surprises += verdict["verdict"] != wanted
    print("every verdict is the one it should be" if not surprises else f"{surprises} verdicts are not")
    return surprises > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else SERVICE))
