#!/usr/bin/env python3
"""Trains the digits network again and writes digits.safetensors. Needs PyTorch; using the example does not.

64-100-10, ReLU, cross-entropy, Adam 1e-3, batches of 32, 60 epochs, pixels divided by 16.
"""
import gzip
import json
import pathlib
import struct

import torch

HERE = pathlib.Path(__file__).resolve().parent
MASK = 2**64 - 1


def key(i):
    """SplitMix64: the 360 images with the smallest keys are the test set."""
    z = (i + 1) * 0x9E3779B97F4A7C15 & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def load():
    """Pixels and classes of the training set, then of the test set."""
    with gzip.open(HERE / "digits.csv.gz", "rt") as lines:
        rows = torch.tensor([[int(v) for v in line.split(",")] for line in lines])
    order = sorted(range(len(rows)), key=key)
    x, y = rows[:, :64] / 16, rows[:, 64]
    test, train = sorted(order[:360]), sorted(order[360:])
    return x[train], y[train], x[test], y[test]


def train(net, x, y, epochs=60, batch=32):
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimiser.step()


def write_safetensors(path, tensors):
    """Eight bytes of header length, the header padded with spaces to a multiple of eight, the data."""
    header, data = {}, b""
    for name, t in tensors.items():
        values = t.flatten().tolist()
        start = len(data)
        data += struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [start, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    torch.manual_seed(1998)
    torch.set_num_threads(1)
    x, y, x_test, y_test = load()
    net = torch.nn.Sequential(torch.nn.Linear(64, 100), torch.nn.ReLU(), torch.nn.Linear(100, 10))
    train(net, x, y)
    with torch.no_grad():
        right = int((net(x_test).argmax(1) == y_test).sum())
    print(f"test accuracy {right}/{len(y_test)} = {right / len(y_test):.4f}")
    write_safetensors(HERE / "digits.safetensors", {f"logits.{k}": v for k, v in net.state_dict().items()})


if __name__ == "__main__":
    main()
