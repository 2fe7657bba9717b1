"""Whether two files measured the same thing, and which of their tests belong together."""
from dataclasses import dataclass, replace

from compare import readers, units

# How far apart these may be and still be alike: programs count a model's tensors in slightly different ways.
_NEAR = {"model_size": 0.01, "model_n_params": 0.01}


class UnlikeError(Exception):
    """Sentences that say what cannot be compared and why."""


@dataclass
class Setting:
    """One of the things that must be alike; None where a file does not tell it."""
    name: str
    values: list

    @property
    def unlike(self):
        told = [value for value in self.values if value is not None]
        return len(told) == 2 and not _alike(self.name, *told)


@dataclass
class Pairing:
    """What is in two files, or in one."""
    settings: list      # Setting
    tests: list         # of each file a dict: name to Test
    common: list        # names that all have, in the order of the first

    def only_in(self, i):
        return [name for name in self.tests[i] if any(name not in tests for tests in self.tests)]


def _alike(name, a, b):
    if name in _NEAR and all(isinstance(v, (int, float)) for v in (a, b)):
        return abs(a - b) <= _NEAR[name] * max(abs(a), abs(b))
    return a == b


def shown(name, value):
    """'1.100 G' of a size or a number of parameters, else the value as it is."""
    if value is None:
        return "not told"
    if name not in _NEAR or not isinstance(value, (int, float)):
        return str(value)
    scale, letter = next((s for s in ((1e9, " G"), (1e6, " M"), (1e3, " k")) if value >= s[0]), (1, ""))
    return units.digits(value / scale) + letter


def _values(results, key):
    """What the tests of a file have for a setting, each once."""
    values = []
    for test in results.tests:
        if key in test.settings and test.settings[key] not in values:
            values.append(test.settings[key])
    return values


def _joined(a, b, path):
    """The same test twice in a file, as of runs one after the other, is one with the samples of both."""
    if not a.samples or not b.samples or a.unit != b.unit:
        raise UnlikeError(f"{path} has {a.name} twice, and no samples that could be put together")
    joined = readers.of_samples(a.name, a.unit, a.samples + b.samples)
    return replace(a, mean=joined.mean, deviation=joined.deviation, count=joined.count, samples=joined.samples)


def _named(results, varying):
    """Name to Test, where the settings that vary within a file are part of the name."""
    named = {}
    for test in results.tests:
        parts = [f"{key} {shown(key, test.settings[key])}" for key in varying if key in test.settings]
        name = ", ".join([test.name] + parts)
        named[name] = _joined(named[name], test, results.path) if name in named else test
    return named


def pair(files):
    """The Pairing of one file or two."""
    keys = list(dict.fromkeys(key for f in files for test in f.tests for key in test.settings))
    values = {key: [_values(f, key) for f in files] for key in keys}
    varying = [key for key in keys if any(len(v) > 1 for v in values[key])]
    settings = [Setting(key, [v[0] if v else None for v in values[key]]) for key in keys if key not in varying]
    tests = [_named(f, varying) for f in files]
    return Pairing(settings, tests, [name for name in tests[0] if all(name in t for t in tests)])


def _few(names):
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def check(pairing, labels):
    """Sentences on what is unlike, so that a comparison would mislead; none if all is well. Raises UnlikeError where
    there is nothing to compare at all."""
    if not pairing.common:
        raise UnlikeError("nothing was measured by both: " + "; ".join(
            f"{label} has {_few(list(tests))}" for label, tests in zip(labels, pairing.tests)))
    unlike = [f"{s.name} is {shown(s.name, s.values[0])} in {labels[0]} and {shown(s.name, s.values[1])} in {labels[1]}"
              for s in pairing.settings if s.unlike]
    for name in pairing.common:
        first, second = (tests[name] for tests in pairing.tests)
        if first.unit != second.unit:
            raise UnlikeError(f"{name} is counted in {first.unit} in {labels[0]} and in {second.unit} in {labels[1]}")
        if first.workload and second.workload and first.workload != second.workload:
            unlike.append(f"{name} was asked with other texts in {labels[0]} and in {labels[1]}")
    return unlike
