"""The rows of the table of benchmarks and how they are written."""
import statistics

median = statistics.median


class Row:
    """What was measured, beside what it should be: at least the aim, or at most."""

    def __init__(self, what, value, aim, unit="x", at_most=False):
        self.what, self.value, self.aim, self.unit, self.at_most = what, value, aim, unit, at_most

    def number(self):
        return f"{self.value:.2f}" if self.unit == "x" and self.value < 10 else f"{self.value:.3g}"

    def reached(self):
        """By the number that is shown."""
        shown = float(self.number())
        return shown <= self.aim if self.at_most else shown >= self.aim

    def cells(self):
        return f"{self.number()}{self.unit} {'yes' if self.reached() else '**no**'}"

    def aim_text(self):
        return f"{'at most' if self.at_most else 'at least'} {self.aim:g}{self.unit}"


def line(cells):
    return "| " + " | ".join(cells) + " |"


def head(cells):
    return [line(cells), "|" + "---|" * len(cells)]


def ratios(passes):
    """passes: how it was measured -> rows, the same in each."""
    out = head(["", "aim", *passes])
    for rows in zip(*passes.values()):
        out.append(line([rows[0].what, rows[0].aim_text(), *(r.cells() for r in rows)]))
    return out
