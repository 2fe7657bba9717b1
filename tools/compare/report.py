"""A comparison as blocks - headings, texts, tables, a picture - each of which writes itself as Markdown and as HTML."""
import html
import re
from dataclasses import dataclass

from compare import configuration, statistics, units

MARK = "✅ "     # in a page "✓ ", of which the fonts of all systems have a glyph


# ---- Blocks ----

def _markdown(text):
    """Of foreign text nothing is markup, nor ends a line or a cell."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return re.sub(r"([\\`*\[\]|~])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


@dataclass
class Heading:
    level: int
    text: str

    def markdown(self):
        return f"{'#' * self.level} {_markdown(self.text)}"

    def html(self):
        return f"<h{self.level}>{html.escape(self.text)}</h{self.level}>"


@dataclass
class Text:
    text: str

    def markdown(self):
        return _markdown(self.text)

    def html(self):
        return f"<p>{html.escape(self.text)}</p>"


@dataclass
class Bullets:
    items: list
    mood: str = ""

    def markdown(self):
        return "\n".join(f"- {_markdown(item)}" for item in self.items)

    def html(self):
        return f'<ul class="{self.mood}">' + "".join(f"<li>{html.escape(i)}</li>" for i in self.items) + "</ul>"


@dataclass
class Table:
    header: list
    rows: list          # of lists of texts
    numbers: set        # columns of these are set to the right
    moods: list = None  # of each row the class of its cells, in HTML

    def markdown(self):
        def line(cells):
            return f"| {' | '.join(_markdown(c) for c in cells)} |"
        rule = "|".join("---:" if i in self.numbers else "---" for i in range(len(self.header)))
        return "\n".join([line(self.header), f"|{rule}|"] + [line(row) for row in self.rows])

    def html(self):
        def cell(i, text, tag):
            kind = " class=number" if i in self.numbers else ""
            return f"<{tag}{kind}>{html.escape(str(text)).replace(MARK, '✓ ')}</{tag}>"

        def line(cells, tag, mood=""):
            return f'<tr class="{mood}">' + "".join(cell(i, text, tag) for i, text in enumerate(cells)) + "</tr>"
        moods = self.moods or [""] * len(self.rows)
        return ("<div class=wide><table><thead>" + line(self.header, "th") + "</thead><tbody>" +
                "\n".join(line(row, "td", mood) for row, mood in zip(self.rows, moods)) + "</tbody></table></div>")


@dataclass
class Picture:
    """Beside a Markdown file lies a file, in a page the picture is part of it; either may be missing."""
    address: str
    svg: str

    def markdown(self):
        return f"![speed-ups]({self.address})" if self.address else ""

    def html(self):
        return f"<figure>{self.svg}</figure>" if self.svg else ""


# ---- What is in them ----

@dataclass
class Row:
    """A test that both files have."""
    name: str
    tests: list     # of the two files
    comparison: statistics.Comparison
    verdict: object

    @property
    def rate(self):
        return units.is_rate(self.tests[0].unit)


def rows_of(pairing, band):
    rows = []
    for name in pairing.common:
        tests = [t[name] for t in pairing.tests]
        comparison = statistics.compare(*tests, units.is_rate(tests[0].unit))
        rows.append(Row(name, tests, comparison, statistics.verdict(comparison, band)))
    return rows


def _counted(rows, labels, band):
    """How many were won by whom, losses as plainly as wins."""
    count = {v: sum(row.verdict == v for row in rows) for v in (1, 2, "equal", "unclear")}
    mean = statistics.geometric_mean([row.comparison.speedup for row in rows])
    return (f"Of {len(rows)} {labels[0]} wins {count[1]} and {labels[1]} {count[2]}; equal within {100 * band:g} %: "
            f"{count['equal']}; further apart, but no more than noise may explain: {count['unclear']}. Geometric "
            f"mean of the speed-ups of {labels[0]} over {labels[1]}: {mean:.2f}x.")


def _times(ratio):
    """Of two noisy samples an interval may reach to what nobody believes."""
    return f"{ratio:.2f}" if ratio < 1000 else "over 1000"


def _p(p):
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _compared(rows, labels):
    sure = any(row.comparison.p is not None for row in rows)
    table = Table(["Benchmark", *labels, "Speedup", "Winner"] + (["95 % interval", "p"] if sure else []), [],
                  {1, 2, 3, 5, 6}, [])
    for row in rows:
        c = row.comparison
        won = row.verdict in (1, 2)
        cells = [row.name, *(units.shown(t.mean, t.unit) for t in row.tests), f"{c.speedup:.2f}x",
                 MARK + labels[row.verdict - 1] if won else row.verdict]
        if sure:
            cells += ["" if c.low is None else f"{_times(c.low)} to {_times(c.high)}", _p(c.p)]
        table.rows.append(cells)
        table.moods.append(("first", "second")[row.verdict - 1] if won else "even")
    return table


def _measured(pairing, labels):
    """Of each file mean, deviation and number of samples, of all that it holds."""
    table = Table(["Benchmark"], [], set())
    for label in labels:
        table.header += [label, "± sd", "CV", "n"]
    table.numbers = set(range(1, len(table.header)))
    for name in dict.fromkeys(name for tests in pairing.tests for name in tests):
        cells = [name]
        for tests in pairing.tests:
            test = tests.get(name)
            told = test is not None and test.deviation is not None
            cells += [test and units.shown(test.mean, test.unit) or "not measured",
                      units.shown(test.deviation, test.unit, scale_of=test.mean) if told else "",
                      f"{100 * test.deviation / test.mean:.1f} %" if told else "",
                      str(test.count) if test and test.count else ""]
        table.rows.append(cells)
    return table


def _configuration(pairing, labels):
    rows = [[s.name, *(configuration.shown(s.name, v) for v in s.values)] for s in pairing.settings]
    return Table(["Setting", *labels], rows, set(), ["unlike" if s.unlike else "" for s in pairing.settings])


def _files(files, labels):
    keys = list(dict.fromkeys(key for f in files for key in f.facts))
    rows = [["file", *(f.path for f in files)], ["format", *(f.format for f in files)]]
    return Table(["", *labels], rows + [[key, *(f.facts.get(key, "") for f in files)] for key in keys], set())


def _method(labels, band):
    return Text(
        f"Speedup is how many times faster {labels[0]} is than {labels[1]}: the ratio of the mean times, or of the "
        f"mean rates the other way round. Within ± {100 * band:g} % the two count as equal. Interval and p are Welch's, "
        "on the logarithm of the ratio, from the samples' deviations and numbers; where p is above "
        f"{statistics.SIGNIFICANT} and the band is left, the winner is unclear. Where a file does not tell the number "
        "of samples there is neither. Samples of one run share that run's conditions, which no p can know of: "
        "interleave the runs of what is compared.")


def blocks(files, labels, pairing, *, rows=(), band=0.05, unlike=(), gate=None, picture=None):
    """The report of two files, or of one. unlike: sentences; gate: None or the sentences on what is slower."""
    result = [Heading(1, " and ".join(labels) + (", compared" if rows else ""))]
    if unlike:
        result += [Text("Compared by force, though these are unlike:"), Bullets(list(unlike), "unlike")]
    if gate is not None:
        result += [Heading(2, "Gate"), Bullets(gate, "unlike") if gate else Text("Nothing is slower than allowed.")]
    if rows:
        result += [Text(_counted(rows, labels, band)), _compared(rows, labels)]
        if picture:
            result.append(picture)
    result += [Heading(2, "Measured"), _measured(pairing, labels)]
    if pairing.settings:
        result += [Heading(2, "Configuration"), _configuration(pairing, labels)]
    result += [Heading(2, "Files"), _files(files, labels)]
    notes = [f"{label}: {note}" for f, label in zip(files, labels) for note in f.notes]
    if notes:
        result += [Heading(2, "Notes"), Bullets(notes)]
    if rows:
        result += [Heading(2, "How to read this"), _method(labels, band)]
    return result


# ---- Forms ----

_STYLE = """
:root { color-scheme: light dark; --text: #1c2024; --back: #fff; --line: #d6dae0; --soft: #667080; --head: #f2f4f7;
        --first: #1b63b5; --second: #a9540d; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e7ec; --back: #16191d; --line: #363c45; --soft: #98a2b0;
        --head: #20252b; --first: #7db8ff; --second: #f2a863; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 68rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left; }
td:first-child { min-width: 10rem; overflow-wrap: anywhere; } th { background: var(--head); white-space: nowrap; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.first td:nth-child(5) { color: var(--first); } tr.second td:nth-child(5) { color: var(--second); }
tr.even td:nth-child(5) { color: var(--soft); } tr.unlike td, ul.unlike { color: var(--bad); }
figure { margin: 1.5rem 0; } figure svg { max-width: 100%; height: auto; color: var(--text); }
"""


def as_markdown(parts):
    return "\n\n".join(text for text in (part.markdown() for part in parts) if text) + "\n"


def as_html(parts):
    """One file that asks for nothing else."""
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{html.escape(parts[0].text)}</title>\n<style>{_STYLE}</style></head><body>\n" +
            "\n".join(part.html() for part in parts) + "\n</body></html>\n")
