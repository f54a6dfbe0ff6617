"""Inside the process, one thread: bench/kernels against PyTorch, run in turns."""
import os
import subprocess

from table import Row, head, line, median

HERE = os.path.dirname(os.path.abspath(__file__))
MLP = "784-256-128-10"


def run(command, rounds, **more):
    """name -> nanoseconds"""
    text = subprocess.run(["taskset", "-c", "0", *command, str(rounds)], env={**os.environ, **more}, check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return {name: float(ns) for name, ns in (row.split() for row in text.splitlines() if not row.startswith("#"))}


def medians(runs):
    return {name: median(r[name] for r in runs) for name in runs[0]}


def measure(setup):
    """ours and PyTorch's: name -> nanoseconds, PyTorch's the better of two ways it can be set up."""
    ours, torch, torch512 = [], [], []
    for _ in range(setup.rounds):
        ours.append(run([setup.kernels], setup.repeats))
        torch.append(run([setup.python, f"{HERE}/kernels.py"], setup.repeats))
        torch512.append(run([setup.python, f"{HERE}/kernels.py"], setup.repeats, ATEN_CPU_CAPABILITY="avx512"))
    torch, torch512 = medians(torch), medians(torch512)
    return medians(ours), {name: min(ns, torch512[name]) for name, ns in torch.items()}


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
        Row("softmax and cross entropy, 256 x 1000, forward + backward: the same", faster("softmax_ce_256x1000_both"), 2),
        Row("batch norm of a million, forward + backward: the same", faster("batchnorm2d_1m_both"), 5),
        Row("LeNet, 28 x 28, batch 64, forward + backward: the same", faster("lenet_b64_both"), 1),
        Row("convolution 3 x 3, 64 channels, 32 x 32, batch 16, forward + backward: the same", faster("conv2d_64_both"), 1),
        Row("a number in JSON", number, 10, " ns", at_most=True),
        Row("the same: speed over Jansson's", ours["number_jansson"] / number, 20),
        Row("the same: speed over strtod's", ours["number_strtod"] / number, 5),
    ]


def times(ours, torch):
    """The numbers behind the ratios."""
    out = head(["one thread, CPU time", "nablad", "PyTorch", "bare"])
    for name, ns in ours.items():
        if name.startswith(("bare_", "number_")):
            continue
        others = [torch.get(name), ours.get("bare_" + name)]
        out.append(line([name.replace("_", " "), *("" if t is None else f"{t / 1e3:.1f} us" for t in [ns, *others])]))
    numbers = ", ".join(f"{who} {ours['number_' + who]:.1f}" for who in ("lift", "strtod", "jansson"))
    return [*out, "", f"A number in JSON, ns: {numbers.replace('lift', 'nablad')}."]
