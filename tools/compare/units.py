"""Units of measurements: which there are, what they are parts of, how a value is shown."""
import math

# Name in a file: what it is counted in here, and how much of that.
_SCALES = {
    "ns": ("s", 1e-9), "us": ("s", 1e-6), "µs": ("s", 1e-6), "μs": ("s", 1e-6), "ms": ("s", 1e-3), "s": ("s", 1.0),
    "B": ("B", 1.0), "KB": ("B", 1e3), "MB": ("B", 1e6), "GB": ("B", 1e9),
    "KiB": ("B", 2.0**10), "MiB": ("B", 2.0**20), "GiB": ("B", 2.0**30),
}
_SHOWN = {"s": (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)),
          "B": (("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("B", 1.0))}
NAMES = ", ".join(_SCALES) + " or a rate such as t/s"


def base(unit):
    """What values in this unit are counted in, and the factor to it; None if there is no such unit."""
    if unit in ("tok/s", "tokens/s", "t/s"):
        return "t/s", 1.0
    return (unit, 1.0) if unit.endswith("/s") and len(unit) > 2 else _SCALES.get(unit)


def is_rate(unit):
    """More of it is better; of times and bytes it is less."""
    return unit.endswith("/s")


def digits(value):
    """Four significant digits, without an exponent."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    return f"{value:.{min(12, max(0, 3 - math.floor(math.log10(abs(value)))))}f}"


def shown(value, unit, scale_of=None):
    """'17.50 µs'; scale_of is the value that chooses between s, ms, µs and ns, where it is another's."""
    scales = _SHOWN.get(unit, ((unit, 1.0),))
    name, factor = next((s for s in scales if (scale_of or value) >= s[1]), scales[-1])
    return f"{digits(value / factor)} {name}"
