#!/usr/bin/env python3
"""Draws what `zoo.py --save DIR` kept, and writes the table with the pictures.

    pictures.py DIR PAGE.md        the pictures go to a folder beside the page, with its name: zoo.md, zoo/mlp.svg

Curves are lines, on a logarithmic scale if they fall far; images are strips of tiles; points are counted on a grid; what runs
over time is a map, time to the right."""
import base64
import html
import json
import math
import pathlib
import struct
import sys
import zlib

import zoo  # noqa: F401  (finds a Python that has numpy)
import numpy as np

WIDTH, MARGIN, GAP, LINE = 720, 16, 20, 140
COLOURS = ("#1f6feb", "#d1570b", "#2f8f4e", "#8a4fbf")
TITLES = {"loss": "loss by step", "error": "test error", "filters": "filters of the first layer", "W": "weights of the hidden units",
          "images": "images", "reconstructed": "as they come back", "noisy": "with noise", "gradient": "what a unit sees",
          "samples": "samples", "data": "data", "write": "where it writes, by step", "read": "where it reads, by step",
          "path": "states on the way", "pattern": "the pattern that was stored", "start": "the start", "end": "the end",
          "energy": "energy by step", "accuracy": "test accuracy", "legal": "share of legal strings", "x": "what goes in", "y": "what comes out",
          "overlaps": "overlap with the pattern"}


# ---- pieces --------------------------------------------------------------------------------------------------------


def png(grey):
    """A picture of numbers, dark where they are large; all of it between the smallest and the largest."""
    low, high = np.min(grey), np.max(grey)
    pixels = np.uint8(255 - 255 * (grey - low) / (high - low or 1))
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    part = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(raw, 9)) + part(b"IEND", b"")


def image(grey, top, width, height):
    data = base64.b64encode(png(grey)).decode()
    return f'<image x="{MARGIN}" y="{top}" width="{width:.0f}" height="{height:.0f}" preserveAspectRatio="none" ' \
           f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'


def tiles(stack, across):
    """Small pictures side by side, with a line between them; every one on its own scale."""
    scaled = [(t - t.min()) / (np.ptp(t) or 1) for t in stack]
    rows = [np.hstack([np.pad(t, 1) for t in scaled[i : i + across]]) for i in range(0, len(scaled) - len(scaled) % across or len(scaled), across)]
    return np.vstack([np.pad(r, ((0, 0), (0, rows[0].shape[1] - r.shape[1]))) for r in rows])


def thinned(v, most=360):
    """Means of runs: as many points as can be seen."""
    run = math.ceil(len(v) / most)
    return np.array([v[i : i + run].mean() for i in range(0, len(v), run)])


def curve(values, colour, top, inner):
    v = thinned(np.asarray(values, float))
    logarithmic = v.min() > 0 and v.max() / v.min() > 20
    scaled = np.log10(v) if logarithmic else v
    low, high = scaled.min(), scaled.max()
    x = MARGIN + 56 + np.linspace(0, inner - 56, len(v))
    y = top + LINE - 8 - (LINE - 16) * (scaled - low) / (high - low or 1)
    ticks = "".join(f'<text x="{MARGIN + 50}" y="{place:.0f}" text-anchor="end" class="s">{value:.3g}</text>'
                    for place, value in ((top + 12, v.max()), (top + LINE - 4, v.min())))
    frame = f'<path d="M{MARGIN + 56} {top}v{LINE}h{inner - 56}" class="a"/>'
    if logarithmic:
        ticks += f'<text x="{MARGIN + 50}" y="{top + LINE / 2:.0f}" text-anchor="end" class="s">log</text>'
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y))
    return ticks + frame + f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


# ---- from what was kept to panels ----------------------------------------------------------------------------------


def as_images(a):
    """[n, 64] and [n, ..., 3, 3] and the like as a stack of squares, or None."""
    if a.ndim >= 3 and a.shape[-1] <= 32 and a.shape[-2] <= 32:
        return a.reshape(-1, *a.shape[-2:])
    side = math.isqrt(a.shape[-1]) if a.ndim == 2 else 0
    return a.reshape(-1, side, side) if side >= 4 and side * side == a.shape[-1] else None


def grid(points):
    counts = np.histogram2d(points[:, 1], points[:, 0], bins=90, range=[[-2.7, 2.7]] * 2)[0][::-1]
    return np.minimum(counts, 4)


def panel(key, a, number, top):
    """(height, svg) of one array, or None for what is no picture."""
    inner = WIDTH - 2 * MARGIN
    if key in ("pattern", "start", "end", "path") and a.shape[-1] in (64, 500):
        a = a.reshape(-1, *((8, 8) if a.shape[-1] == 64 else (20, 25)))
    stack = as_images(a) if key not in ("write", "read", "x", "y") else None
    if key in ("samples", "data") and a.ndim == 2 and a.shape[1] == 2:
        return 240, image(grid(a), top, 240, 240)
    if stack is not None:
        across = min(len(stack), 20 if len(stack) > 10 else 10)
        picture = tiles(stack[:40], across)
        width = min(inner, picture.shape[1] * 7)
        return width * picture.shape[0] / picture.shape[1], image(picture, top, width, width * picture.shape[0] / picture.shape[1])
    if a.ndim == 2 and key in ("write", "read", "x", "y") and 1 < a.shape[0] <= 100:
        height = min(160, 10 * a.shape[1])
        return height, image(a.T, top, min(inner, 24 * a.shape[0]), height)
    if a.ndim == 1 and len(a) > 2 and a.dtype.kind == "f" and key in ("loss", "error", "accuracy", "energy", "legal", "overlaps"):
        return LINE, curve(a, COLOURS[number % len(COLOURS)], top, inner)
    return None


def draw(name, kept):
    body, top = [], MARGIN
    for number, (where, a) in enumerate(kept.items()):
        picture, key = where.split("/", 1)
        made = panel(key, a, number, top + 18)
        if made:
            title = f"{picture}: {TITLES.get(key, key)}" if picture != key else TITLES.get(key, key)
            body.append(f'<text x="{MARGIN}" y="{top + 11}" class="t">{html.escape(title)}</text>{made[1]}')
            top += 18 + made[0] + GAP
    style = ".t{font:13px sans-serif;fill:#24292f}.s{font:11px sans-serif;fill:#57606a}.a{fill:none;stroke:#8c959f}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}" width="{WIDTH}" height="{top:.0f}" role="img" ' \
           f'aria-label="{name}"><style>{style}</style><rect width="100%" height="100%" fill="#fff"/>{"".join(body)}</svg>\n' if body else None


# ---- the page ------------------------------------------------------------------------------------------------------

HEAD = """# The zoo

Sixteen classical networks, each made of modules as a graph: proven by exact checks, examined by the service's own gradient
check, and trained through the HTTP API to what is known of them. `make zoo` runs all of this and prints this table;
`make zoo-page` writes this page. `GET /v1/zoo` lists the graphs, `POST /v1/zoo/{system}` stores one.

Errors of exact rows are absolute. Seconds are those of one run, client included, on a machine of two cores that did other
things as well.
"""


def cell(text):
    return str(text).replace("|", "\\|")


def section(about, name, rows, picture, curves):
    lines = [f"\n## {about['title']}\n", f"{about['shows']}. [Graph, recipe, equations](../examples/zoo/{name}/README.md).\n",
             "| what | measured | wanted | s | |", "|---|---|---|---|---|"]
    for r in rows:
        what = r["what"] if r["kind"] == "exact" else f"{r['kind']}: {r['what']}"
        lines.append(f"| {cell(what)} | {cell(r['measured'])} | {cell(r['wanted'])} | {r['seconds']:.1f} | {'ok' if r['ok'] else '**fails**'} |")
    lines += [f"\n![{about['title']}]({picture})"] if picture else []
    return lines + [f"\nThe job's learning curve, {label}:\n\n![{label}: loss by step]({path})" for label, path in curves]


def copy_curves(name, kept, folder):
    """What training jobs drew themselves: (label, path)."""
    curves = []
    for path in sorted(kept.glob(f"{name}-*-curve.svg")):
        (folder / path.name).write_text(path.read_text())
        curves.append((path.stem[len(name) + 1:-len("-curve")].replace("-", " "), f"{folder.name}/{path.name}"))
    return curves


def main(kept, page):
    kept, page = pathlib.Path(kept), pathlib.Path(page)
    folder, lines = page.with_suffix(""), [HEAD]
    folder.mkdir(exist_ok=True)
    rows = json.loads((kept / "rows.json").read_text())
    for name in dict.fromkeys(r["system"] for r in rows):
        with np.load(kept / f"{name}.npz") as arrays:
            svg = draw(name, dict(arrays))
        if svg:
            (folder / f"{name}.svg").write_text(svg)
        about = json.loads((pathlib.Path(__file__).parent / name / "about.json").read_text())
        lines += section(about, name, [r for r in rows if r["system"] == name], f"{folder.name}/{name}.svg" if svg else None,
                         copy_curves(name, kept, folder))
    page.write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    sys.exit(__doc__) if len(sys.argv) != 3 else main(*sys.argv[1:])
