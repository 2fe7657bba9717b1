"""Result files of several programs, each as the same Results. A further format is a function and a row of FORMATS."""
import csv
import io
import json
import os.path
import re
from dataclasses import dataclass, field
from statistics import fmean, stdev

from compare import units

MOST_BYTES = 64 << 20
LEAST, MOST = 1e-15, 1e24   # a measurement; between them no ratio overflows


class FormatError(Exception):
    """A sentence that names the file, the place in it, what was found there and what was expected."""


@dataclass
class Test:
    """One thing that was measured."""
    name: str                   # "pp512"
    unit: str                   # "s", "B" or a rate: "t/s"
    mean: float
    deviation: float = None     # of a sample, not of the mean; None where the file does not tell it
    count: int = None           # of samples; None where the file does not tell it
    samples: tuple = ()         # raw, in the order of the file; empty where there are none
    settings: dict = field(default_factory=dict)    # what a comparison must find alike
    workload: str = ""          # what was computed, where its name alone does not say so
    success: float = 1.0        # share of the attempts that came to an end; the rest is in no mean


@dataclass
class Results:
    """One file."""
    path: str
    format: str
    tests: list
    facts: dict = field(default_factory=dict)   # for people to read: may differ
    notes: list = field(default_factory=list)   # sentences: what failed, what was left out


class Source:
    """A file that is being read: takes from it what is of the right kind, or says what is wrong."""

    def __init__(self, path):
        self.path = path

    def fail(self, where, found, expected):
        text = repr(found)
        text = text if len(text) <= 60 else text[:57] + "..."
        raise FormatError(f"{self.path}: {where} is {text}; expected {expected}")

    def kind(self, value, where, kind, expected):
        return value if isinstance(value, kind) else self.fail(where, value, expected)

    def object(self, value, where):
        return self.kind(value, where, dict, "an object")

    def array(self, value, where):
        return self.kind(value, where, list, "an array")

    def text(self, value, where):
        return self.kind(value, where, str, "a text")

    def number(self, value, where):
        """From 0 on, of a size that measurements have; CSV has it as a text."""
        try:
            result = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else -1.0
        except (ValueError, OverflowError):
            result = -1.0
        return result if 0 <= result < MOST else self.fail(where, value, "a number, not below 0")

    def unit(self, value, where):
        return units.base(self.text(value, where)) or self.fail(where, value, units.NAMES)

    def maybe(self, value, where):
        return None if value is None else self.number(value, where)


def of_samples(name, unit, samples, **more):
    deviation = stdev(samples) if len(samples) > 1 else None
    return Test(name, unit, fmean(samples), deviation, len(samples), tuple(samples), **more)


def plain(value):
    """A setting alike in JSON and in CSV: false is 0, and "2" is 2."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", value):
        return float(value) if "." in value else int(value)
    return value


# ---- infer-bench and llama-bench: a list of tests, one object or line each ----

_MEASURED = {"avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "samples_ns", "samples_ts", "read_gbs", "f32_gflops",
             "bf16_gflops", "int8_gops", "limit_by", "limit_ts", "limit_pct"}
_IN_NAME = {"n_prompt", "n_gen", "n_depth", "n_embed", "model_type"}
_FACTS = {"model_filename", "test_time", "build_commit", "build_number"}
_WEIGHTS = re.compile(r"bf16|f16|f32|(?:mx|nv)fp4|(?:i|t)?q\d_[a-z0-9]+")


def speed_name(source, record, where):
    """'pp512', 'tg64 @ d4096', 'pp512+tg64', 'emb128'"""
    parts = []
    for key, short in (("n_embed", "emb"), ("n_prompt", "pp"), ("n_gen", "tg")):
        n = int(source.number(record.get(key, 0), f"{where}.{key}"))
        if n:
            parts.append(f"{short}{n}")
    depth = int(source.number(record.get("n_depth", 0), f"{where}.n_depth"))
    return "+".join(parts or ["nothing"]) + (f" @ d{depth}" if depth else "")


def speed_settings(source, record, where):
    """What both programs tell has one name and one meaning."""
    settings = {key: plain(value) for key, value in record.items()
                if key not in _MEASURED | _IN_NAME | _FACTS and isinstance(value, (str, int, float))
                and value not in ("", "default")}
    # infer-bench's n_batch is the most tokens that are computed at once: what llama-bench calls n_ubatch.
    if "n_batch" in settings and "n_ubatch" not in settings:
        settings["n_ubatch"] = settings.pop("n_batch")
    kind = source.text(record.get("model_type", ""), f"{where}.model_type").lower()
    if kind:
        settings["architecture"] = re.sub(r"[^a-z0-9]", "", kind.split()[0])
    weights = _WEIGHTS.search(kind)
    if weights:
        settings["quantization"] = weights.group()
    return settings


def read_speed(source, records):
    """infer-bench -o json or csv; llama-bench -o json, jsonl or csv"""
    results = Results(source.path, "infer-bench or llama-bench", [])
    for i, record in enumerate(records):
        where = f"[{i}]"
        source.object(record, where)
        name, settings = speed_name(source, record, where), speed_settings(source, record, where)
        samples = [source.number(s, f"{where}.samples_ts[{j}]")
                   for j, s in enumerate(source.array(record.get("samples_ts", []), f"{where}.samples_ts"))]
        if samples:
            test = of_samples(name, "t/s", samples, settings=settings)
        else:
            test = Test(name, "t/s", source.number(record.get("avg_ts"), f"{where}.avg_ts"),
                        source.maybe(record.get("stddev_ts"), f"{where}.stddev_ts"), settings=settings)
        results.tests.append(test)
        for key in sorted(_FACTS & record.keys()):
            results.facts.setdefault(key, str(record[key]))
    return results


# ---- Google Benchmark ----

def cache_text(source, caches):
    texts = []
    for i, cache in enumerate(source.array(caches, "context.caches")):
        where = f"context.caches[{i}]"
        size = source.number(source.object(cache, where).get("size"), f"{where}.size")
        texts.append(f"L{cache.get('level')} {cache.get('type')} {size / 1024:.0f} KiB")
    return ", ".join(texts)


def google_settings(source, context):
    settings = {key: plain(context[key]) for key in ("num_cpus", "cpu_scaling_enabled", "library_build_type")
                if isinstance(context.get(key), (str, int, float))}
    if context.get("caches"):
        settings["caches"] = cache_text(source, context["caches"])
    return settings


def google_seconds(source, run, where):
    unit, factor = source.unit(run.get("time_unit", "ns"), f"{where}.time_unit")
    return source.number(run.get("real_time"), f"{where}.real_time") * factor


def google_aggregates(source, name, runs, settings):
    """Of a file with --benchmark_report_aggregates_only."""
    found = {source.text(run.get("aggregate_name"), f"{where}.aggregate_name"): (run, where) for run, where in runs}
    if "mean" not in found:
        return None
    deviation = google_seconds(source, *found["stddev"]) if "stddev" in found else None
    run, where = found["mean"]
    count = source.maybe(run.get("repetitions"), f"{where}.repetitions")
    return Test(name, "s", google_seconds(source, run, where), deviation, count and int(count), settings=settings)


def read_google(source, root):
    """Google Benchmark's --benchmark_out: the suites of make bench"""
    context = source.object(root.get("context"), "context")
    settings = google_settings(source, context)
    results = Results(source.path, "Google Benchmark", [], {
        key: str(context[key]) for key in ("date", "host_name", "executable", "mhz_per_cpu", "load_avg")
        if key in context})
    families = {}
    for i, run in enumerate(source.array(root.get("benchmarks"), "benchmarks")):
        where = f"benchmarks[{i}]"
        source.object(run, where)
        name = source.text(run.get("run_name", run.get("name")), f"{where}.name")
        if run.get("error_occurred") or run.get("skipped"):
            why = run.get("error_message") or run.get("skip_message")
            results.notes.append(f"{name} was not measured: {why}")
        else:
            families.setdefault(name, []).append((run, where))
    for name, runs in families.items():
        samples = [google_seconds(source, run, where) for run, where in runs if run.get("run_type") != "aggregate"]
        test = (of_samples(name, "s", samples, settings=settings) if samples
                else google_aggregates(source, name, runs, settings))
        if test:
            results.tests.append(test)
    return results


# ---- Realizar's export ----

def read_realizar(source, root):
    """Realizar's {model, config, benchmarks: {group: {name: {mean, std, unit}}}}"""
    settings = {key: plain(value) for key, value in source.object(root.get("config", {}), "config").items()
                if isinstance(value, (str, int, float))}
    if "model" in root:
        settings["model"] = source.text(root["model"], "model")
    results = Results(source.path, "Realizar", [])
    for group, members in source.object(root["benchmarks"], "benchmarks").items():
        for name, values in source.object(members, f"benchmarks.{group}").items():
            where = f"benchmarks.{group}.{name}"
            unit, factor = source.unit(source.object(values, where).get("unit"), f"{where}.unit")
            samples = [source.number(s, f"{where}.samples[{i}]") * factor
                       for i, s in enumerate(source.array(values.get("samples", []), f"{where}.samples"))]
            if samples:
                results.tests.append(of_samples(f"{group}/{name}", unit, samples, settings=settings))
                continue
            deviation = source.maybe(values.get("std"), f"{where}.std")
            count = source.maybe(values.get("n"), f"{where}.n")
            results.tests.append(Test(f"{group}/{name}", unit,
                                      source.number(values.get("mean"), f"{where}.mean") * factor,
                                      deviation and deviation * factor, count and int(count), settings=settings))
    return results


# ---- The HTTP client for llama.cpp in containers ----

def read_client(source, root):
    """the container client's {system_info, prompts: {name: {prompt_text, results, stats}}, summary}"""
    system = source.object(root.get("system_info", {}), "system_info")
    settings = {}
    if "model" in system:
        settings["model"] = os.path.basename(source.text(system["model"], "system_info.model"))
    results = Results(source.path, "HTTP client", [], {k: str(v) for k, v in system.items() if k != "model"})
    for name, prompt in source.object(root["prompts"], "prompts").items():
        where = f"prompts.{name}"
        workload = source.text(source.object(prompt, where).get("prompt_text", ""), f"{where}.prompt_text")
        stats = source.object(prompt.get("stats", {}), f"{where}.stats")
        rates = [source.number(run["tokens_per_second"], f"{where}.results[{i}].tokens_per_second")
                 for i, run in enumerate(source.array(prompt.get("results", []), f"{where}.results"))
                 if isinstance(run, dict) and run.get("success", True) and run.get("tokens_per_second") is not None]
        success = source.maybe(stats.get("success_rate"), f"{where}.stats.success_rate")
        more = {"settings": settings, "workload": workload, "success": 1.0 if success is None else success}
        if rates:
            test = of_samples(name, "t/s", rates, **more)
        else:   # of a prompt for which every request failed there is none
            mean = source.number(stats.get("avg_tokens_per_second", 0), f"{where}.stats.avg_tokens_per_second")
            deviation = stats.get("stdev_tokens_per_second")
            test = Test(name, "t/s", mean, source.maybe(deviation, f"{where}.stats.stdev_tokens_per_second"), **more)
        if test.success < 1:
            results.notes.append(f"{name}: {100 * test.success:.0f} % of the requests succeeded")
        results.tests.append(test)
    return results


# ---- Which of them ----

FORMATS = (
    (read_google, lambda root: isinstance(root, dict) and isinstance(root.get("benchmarks"), list)),
    (read_realizar, lambda root: isinstance(root, dict) and isinstance(root.get("benchmarks"), dict)),
    (read_client, lambda root: isinstance(root, dict) and isinstance(root.get("prompts"), dict)),
    (read_speed, lambda root: isinstance(root, list)),
)


def no_constant(name):
    raise ValueError(f"{name} is no number of JSON")


def parsed(path, text):
    """JSON, JSON Lines (one object in each) or CSV (a list of objects of texts)."""
    try:
        if "avg_ts" in text[:text.find("\n")] and not text.lstrip().startswith(("[", "{")):
            return list(csv.DictReader(io.StringIO(text)))
        try:
            return json.loads(text, parse_constant=no_constant)
        except json.JSONDecodeError as error:
            if error.msg != "Extra data":
                raise
            return [json.loads(line, parse_constant=no_constant) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError, csv.Error) as error:
        raise FormatError(f"{path} is neither JSON nor CSV with results: {error}") from error


def only_measured(results):
    """Nothing is so many times faster than what took no time, or did not happen."""
    for test in results.tests:
        if test.mean < LEAST:
            results.notes.append(f"{test.name} was not measured: its mean is 0")
    results.tests = [test for test in results.tests if test.mean >= LEAST]
    return results


def read(path):
    """The Results of a file; its format is told from what is in it. Raises FormatError."""
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise FormatError(f"{path} has more than {MOST_BYTES >> 20} MiB; expected a file of results")
    root = parsed(path, data.decode("utf-8-sig", "replace"))
    for reader, is_so in FORMATS:
        if is_so(root):
            results = only_measured(reader(Source(path), root))
            if not results.tests:
                raise FormatError(f"{path} holds no measurement; expected one at least")
            return results
    raise FormatError(f"{path}: expected " + "; or ".join(r.__doc__.split("\n")[0] for r, _ in FORMATS))
