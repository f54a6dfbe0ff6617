"""Inside the process, one thread: bench/kernels against PyTorch, run in turns."""
import os
import subprocess

from table import Row, head, line, median

HERE = os.path.dirname(os.path.abspath(__file__))
MLP = "784-256-128-10"
# forward and backward: case -> its name in the table. What PyTorch needs is the aim, in time and memory.
NETWORKS = {
    "lenet_b64_both": "LeNet, 28 x 28, batch 64",
    "residual_b16_both": "residual block, 64 channels, 32 x 32, batch 16",
    "conv2d_64_both": "convolution 3 x 3, 64 channels, 32 x 32, batch 16",
    "lstm_t50_b32_both": "LSTM, 50 steps, batch 32, hidden 128",
    "softmax_ce_256x1000_both": "softmax and cross entropy, 256 x 1000",
    "batchnorm2d_1m_both": "batch norm of a million",
}
POINTWISE = [f"{name}_1m_both" for name in ("relu", "leaky_relu", "elu", "sigmoid", "tanh", "softplus", "silu", "gelu")]
FASTER = {**dict.fromkeys(NETWORKS, 1), "softmax_ce_256x1000_both": 2, "batchnorm2d_1m_both": 5}  # the aims in time


def run(command, *arguments, **more):
    """name -> nanoseconds, or bytes"""
    text = subprocess.run(["taskset", "-c", "0", *command, *map(str, arguments)], env={**os.environ, **more}, check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return {name: float(v) for name, v in (row.split() for row in text.splitlines() if not row.startswith("#"))}


def medians(runs):
    return {name: median(r[name] for r in runs) for name in runs[0]}


def measure(setup):
    """Ours and PyTorch's: name -> nanoseconds, PyTorch's the better of two ways it can be set up."""
    peer = [setup.python, f"{HERE}/kernels.py"]
    ours, torch, torch512 = [], [], []
    for _ in range(setup.rounds):
        ours.append(run([setup.kernels], setup.repeats))
        torch.append(run(peer, setup.repeats))
        torch512.append(run(peer, setup.repeats, ATEN_CPU_CAPABILITY="avx512"))
    torch, torch512 = medians(torch), medians(torch512)
    return medians(ours), {name: min(ns, torch512[name]) for name, ns in torch.items()}


def measure_memory(setup):
    """The same in bytes, each case in a process of its own."""
    ours, torch = {}, {}
    for name in [*NETWORKS, *POINTWISE]:
        ours.update(run([setup.kernels], "memory", name))
        torch.update(run([setup.python, f"{HERE}/kernels.py"], "memory", name))
    return ours, torch


def memory_rows(ours, torch):
    def share(case):
        return ours[case] / torch[case]
    first, *others = NETWORKS
    return [Row(f"{NETWORKS[first]}, forward + backward: peak memory over PyTorch's", share(first), 1, at_most=True),
            *(Row(f"{NETWORKS[case]}: the same", share(case), 1, at_most=True) for case in others),
            Row("eight activations of a million, that with the greatest share: the same", max(map(share, POINTWISE)), 1, at_most=True)]


def rows(ours, torch):
    def over_bare(batch):
        return ours[f"mlp_b{batch}_forward"] / ours[f"bare_mlp_b{batch}_forward"]

    def faster(case):
        return torch[case] / ours[case]

    number = ours["number_lift"]
    return [
        Row(f"forward of {MLP}, batch 1: time over cblas and activations alone", over_bare(1), 1.15, at_most=True),
        Row(f"forward of {MLP}, batch 64: the same", over_bare(64), 1.15, at_most=True),
        Row("forward + backward of 784-512-256-10, batch 128: speed over PyTorch's", faster("mlp_b128_both"), 1.1),
        Row("tanh of a million: speed over PyTorch's", faster("tanh_1m_forward"), 3),
        Row("softplus of a million: the same", faster("softplus_1m_forward"), 1.7),
        *(Row(f"{what}, forward + backward: the same", faster(case), FASTER[case]) for case, what in NETWORKS.items()),
        Row("the slowest of eight activations of a million, forward + backward: the same", min(map(faster, POINTWISE)), 1),
        Row("a number in JSON", number, 10, " ns", at_most=True),
        Row("the same: speed over Jansson's", ours["number_jansson"] / number, 20),
        Row("the same: speed over strtod's", ours["number_strtod"] / number, 5),
    ]


def times(ours, torch, bytes_ours, bytes_torch):
    """The numbers behind the ratios."""
    out = head(["one thread, CPU time", "nablad", "PyTorch", "bare", "peak memory: nablad", "PyTorch"])
    for name, ns in ours.items():
        if name.startswith(("bare_", "number_")):
            continue
        taken, grown = [ns, torch.get(name), ours.get("bare_" + name)], [bytes_ours.get(name), bytes_torch.get(name)]
        out.append(line([name.replace("_", " "), *("" if t is None else f"{t / 1e3:.1f} us" for t in taken),
                         *("" if b is None else f"{b / 1e6:.1f} MB" for b in grown)]))
    numbers = ", ".join(f"{who} {ours['number_' + who]:.1f}" for who in ("lift", "strtod", "jansson"))
    return [*out, "", f"A number in JSON, ns: {numbers.replace('lift', 'nablad')}."]
