"""A picture of a comparison, by matplotlib where it is installed: the speed-ups, their intervals, the raw samples."""
import io
import re

MOST_ROWS = 60
_TEXT = "#010203"   # in an SVG it is replaced by the colour of the text around it
_COLOURS = ("#3b82d0", "#d9822b")


class PlotError(Exception):
    """Why there is no picture."""


def _figure():
    """matplotlib's Figure: without pyplot, which keeps state and looks for a display."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotError("for pictures install matplotlib (Debian: python3-matplotlib)") from error
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "compare-bench"})
    return Figure


def _plain(text):
    """Of foreign names nothing is mathematics, nor ends a line."""
    return "".join(c if c.isprintable() else " " for c in text).replace("$", r"\$")


def _short(name):
    return _plain(name if len(name) <= 48 else name[:47] + "…")


def _samples(axes, y, row, i):
    """The samples of one file, against the mean of the second."""
    reference = row.tests[1].mean
    at = [s / reference if row.rate else reference / s for s in row.tests[i].samples]
    axes.plot(at, [y + (0.2 if i else -0.2)] * len(at), "o", color=_COLOURS[i], alpha=0.6, markersize=4,
              markeredgewidth=0)


def _row(axes, y, row):
    c = row.comparison
    for i in range(2):
        _samples(axes, y, row, i)
    if c.low is not None:
        axes.plot([c.low, c.high], [y, y], "-", color=_TEXT, linewidth=1.5)
    axes.plot([c.speedup], [y], "D", color=_TEXT, markersize=5)


def _scale(axes):
    """A logarithmic axis, so that twice as fast is as far away as half; with plain numbers on it."""
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, ScalarFormatter
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    low, high = min(low, 0.9), max(high, 1.1)
    axes.set_xlim(low, high)
    if high / low > 20:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        step = next(s for s in (0.05, 0.1, 0.2, 0.5, 1, 2, 5) if (high - low) / s <= 10)
        axes.set_xticks([i * step for i in range(1, int(high / step) + 1) if i * step >= low])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    formatter = ScalarFormatter()
    formatter.set_scientific(False)
    axes.xaxis.set_major_formatter(formatter)


def _most_telling(rows):
    """All, or those furthest from equal, in their order."""
    if len(rows) <= MOST_ROWS:
        return rows
    far = sorted(rows, key=lambda row: -max(row.comparison.speedup, 1 / row.comparison.speedup))
    kept = {row.name for row in far[:MOST_ROWS]}
    return [row for row in rows if row.name in kept]


def draw(rows, labels, band, file, form):
    """rows as in report.Row; form "png" or "svg". Of many rows those that differ most are drawn."""
    shown = _most_telling(rows)
    figure = _figure()(figsize=(9, 1.4 + 0.36 * len(shown)), layout="constrained")
    axes = figure.subplots()
    axes.patch.set_visible(False)
    axes.axvspan(1 / (1 + band), 1 + band, color="#808080", alpha=0.2, linewidth=0)
    axes.axvline(1, color="#808080", linewidth=1)
    for y, row in enumerate(shown):
        _row(axes, y, row)
    _scale(axes)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_yticks(range(len(shown)), [_short(row.name) for row in shown])
    axes.set_xlabel(f"speed as a multiple of {_short(labels[1])}'s mean; grey: within {100 * band:g} %")
    handles = [axes.plot([], [], "o", color=c, label=f"samples of {_short(n)}", markeredgewidth=0)[0]
               for c, n in zip(_COLOURS, labels)] if any(t.samples for row in shown for t in row.tests) else []
    handles.append(axes.plot([], [], "D-", color=_TEXT, label="speed-up, with its 95 % interval", markersize=5)[0])
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncol=len(handles), frameon=False,
                labelcolor=_TEXT, fontsize="small")
    axes.tick_params(colors=_TEXT)
    axes.xaxis.label.set_color(_TEXT)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(_TEXT)
    figure.savefig(file, format=form, dpi=110, facecolor="white" if form == "png" else "none",
                   **({"metadata": {"Date": None}} if form == "svg" else {}))


def inline_svg(rows, labels, band):
    """An <svg> element for a page: its text and lines have the page's own colour."""
    buffer = io.StringIO()
    draw(rows, labels, band, buffer, "svg")
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg"):], flags=re.DOTALL)
    return text.replace(_TEXT, "currentColor").replace("<svg ", '<svg role="img" aria-label="speed-ups" ', 1)
