"""The cases of test_compare.sh: readers, statistics, configuration, gate and report of tools/compare-bench."""
import contextlib
import csv
import io
import json
import os
import random
import re
import runpy
import sys
import tempfile
import unittest
from html.parser import HTMLParser

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(ROOT, "tests", "data", "compare")
PROGRAM = runpy.run_path(os.path.join(ROOT, "tools", "compare-bench"))

from compare import configuration, plots, readers, report, statistics, units  # noqa: E402


def data(name):
    return os.path.join(DATA, name)


def run(*args):
    """Exit code, standard output, standard error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = PROGRAM["main"](list(args))
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return code, *texts


def tests_of(path):
    return {test.name: test for test in readers.read(path).tests}


def have_matplotlib():
    try:
        plots._figure()
    except plots.PlotError:
        return False
    return True


class Folder(unittest.TestCase):
    """With a folder for files of the case."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path

    def realizar(self, name, benchmarks, **root):
        """A file of Realizar's form with the benchmarks of one group, g."""
        return self.write(name, {**root, "benchmarks": {"g": benchmarks}})


class Readers(Folder):
    def test_infer_bench_json_has_samples_names_and_settings(self):
        results = readers.read(data("infer-bench.json"))
        self.assertEqual([t.name for t in results.tests], ["pp64", "pp128", "tg32"])
        test = results.tests[0]
        with open(data("infer-bench.json"), encoding="utf-8") as file:
            record = json.load(file)[0]
        self.assertEqual(list(test.samples), record["samples_ts"])
        self.assertAlmostEqual(test.mean, record["avg_ts"], delta=1)
        self.assertAlmostEqual(test.deviation, record["stddev_ts"], delta=1)
        self.assertEqual((test.unit, test.count), ("t/s", 5))
        self.assertEqual((test.settings["architecture"], test.settings["quantization"]), ("llama", "q8_0"))
        self.assertEqual(test.settings["n_ubatch"], 512)
        self.assertNotIn("avg_ns", test.settings)
        self.assertIn("test_time", results.facts)

    def test_infer_bench_csv_has_the_same_settings_and_no_count(self):
        rows, objects = tests_of(data("infer-bench.csv")), tests_of(data("infer-bench.json"))
        self.assertEqual(rows.keys(), objects.keys())
        for name, test in rows.items():
            self.assertEqual(test.settings, objects[name].settings)
            self.assertIsNone(test.count)
            self.assertGreater(test.deviation, 0)

    def test_llama_bench_json_lines_and_csv_are_the_same_tests(self):
        with open(data("llama-bench.json"), encoding="utf-8") as file:
            records = json.load(file)
        lines = self.write("a.jsonl", "".join(json.dumps(r) + "\n" for r in records))
        self.assertEqual(tests_of(lines), tests_of(data("llama-bench.json")))
        flat = [{k: int(v) if isinstance(v, bool) else v for k, v in r.items() if not k.startswith("samples")}
                for r in records]
        text = io.StringIO()
        writer = csv.DictWriter(text, flat[0].keys(), quoting=csv.QUOTE_ALL)
        writer.writerow(dict(zip(flat[0], flat[0])))
        writer.writerows(flat)
        rows = tests_of(self.write("a.csv", text.getvalue().replace('"', "", 2 * len(flat[0]))))
        for name, test in tests_of(data("llama-bench.json")).items():
            self.assertAlmostEqual(rows[name].mean, test.mean, places=3)
            self.assertEqual(rows[name].settings, test.settings)

    def test_llama_bench_weights_are_known_however_they_are_written(self):
        for kind, weights in (("qwen2 7B Q4_K - Medium", "q4_k"), ("llama 7B mostly Q4_0", "q4_0"),
                              ("llama 1B all F32", "f32"), ("gpt-oss 20B MXFP4 MoE", "mxfp4"),
                              ("llama 8B IQ4_XS - 4.25 bpw", "iq4_xs"), ("gemma3 1B BF16", "bf16")):
            settings = readers.speed_settings(readers.Source("x"), {"model_type": kind}, "[0]")
            self.assertEqual(settings["quantization"], weights, kind)

    def test_google_benchmark_repetitions_are_samples_in_seconds(self):
        results = readers.read(data("google-benchmark.json"))
        test = {t.name: t for t in results.tests}["session/256"]
        with open(data("google-benchmark.json"), encoding="utf-8") as file:
            runs = [r for r in json.load(file)["benchmarks"] if r["name"] == "session/256"]
        self.assertEqual(test.count, 3)
        for sample, one in zip(test.samples, runs):
            self.assertAlmostEqual(sample, one["real_time"] * 1e-9, delta=1e-15)
        self.assertEqual(test.settings["num_cpus"], 2)

    def test_google_benchmark_aggregates_alone_say_as_much(self):
        whole, few = tests_of(data("google-benchmark.json")), tests_of(data("google-aggregates.json"))
        self.assertEqual(whole.keys(), few.keys())
        for name, test in few.items():
            self.assertAlmostEqual(test.mean / whole[name].mean, 1, places=6)
            self.assertAlmostEqual(test.deviation / whole[name].deviation, 1, places=6)
            self.assertEqual(test.count, 3)

    def test_google_benchmark_what_was_skipped_is_a_note(self):
        path = self.write("a.json", {"context": {}, "benchmarks": [
            {"name": "a", "real_time": 2, "time_unit": "us"},
            {"name": "b", "error_occurred": True, "error_message": "no such model"}]})
        results = readers.read(path)
        self.assertEqual([(t.name, t.mean) for t in results.tests], [("a", 2e-6)])
        self.assertEqual(results.notes, ["b was not measured: no such model"])

    def test_realizar_units_become_seconds(self):
        ours, theirs = tests_of(data("realizar.json")), tests_of(data("realizar-llamacpp.json"))
        self.assertAlmostEqual(ours["model_forward/seq_len_1"].mean, 17.5e-6)
        self.assertAlmostEqual(theirs["generation/greedy_5_tokens"].mean, 1.68e-3)
        self.assertAlmostEqual(theirs["generation/greedy_5_tokens"].deviation, 40e-6)

    def test_client_takes_only_requests_that_succeeded(self):
        results = readers.read(data("client.json"))
        test = {t.name: t for t in results.tests}["cache_loops"]
        self.assertEqual(test.samples, (31.9, 31.98))
        self.assertEqual(test.settings, {"model": "Qwen3-30B-IQ4_XS.gguf"})
        self.assertEqual(results.notes, ["cache_loops: 67 % of the requests succeeded"])
        self.assertEqual(results.facts["hugepages_free"], "38267")

    def test_client_where_nothing_succeeded_was_not_measured(self):
        path = self.write("a.json", {"prompts": {
            "a": {"results": [{"success": False, "error": "timeout"}], "stats": {"success_rate": 0}},
            "b": {"stats": {"avg_tokens_per_second": 3, "stdev_tokens_per_second": 0.5, "success_rate": 1}}}})
        results = readers.read(path)
        self.assertEqual([(t.name, t.mean, t.deviation) for t in results.tests], [("b", 3, 0.5)])
        self.assertIn("a was not measured: its mean is 0", results.notes)

    def test_what_is_wrong_is_said_with_file_place_and_what_was_expected(self):
        for content, said in (
                ('{"benchmarks": {"g": {"a": {"mean": -1, "unit": "s"}}}}', "benchmarks.g.a.mean is -1; expected a"),
                ('{"benchmarks": {"g": {"a": {"mean": 1, "unit": "m"}}}}', "benchmarks.g.a.unit is 'm'; expected ns"),
                ('{"benchmarks": {"g": 3}}', "benchmarks.g is 3; expected an object"),
                ('[{"n_prompt": 5}]', "[0].avg_ts is None; expected a number"),
                ('[{"n_prompt": 5, "samples_ts": [1e999]}]', "[0].samples_ts[0] is inf; expected a number"),
                ('[{"n_prompt": 5, "samples_ts": [NaN]}]', "NaN is no number of JSON"),
                ("[]", "holds no measurement"), ("{}", "expected Google Benchmark's"), ("", "neither JSON nor CSV"),
                ("[" * 100000, "neither JSON nor CSV")):
            path = self.write("bad.json", content)
            with self.assertRaises(readers.FormatError) as raised:
                readers.read(path)
            self.assertIn(path, str(raised.exception))
            self.assertIn(said, str(raised.exception), content[:80])

    def test_no_made_up_file_ends_in_anything_but_a_sentence(self):
        chance = random.Random(8)
        values = ["null", "-1", "[]", "{}", '"x"', "1e400", "true", "3", "\x00", "[[]]", '{"a":1}']
        for name in sorted(n for n in os.listdir(DATA) if n.endswith((".json", ".csv"))):
            with open(data(name), encoding="utf-8") as file:
                text = file.read()
            places = [m.span(1) for m in re.finditer(r"[:,\[]\s*(\"[^\"]*\"|[-0-9.e+]+|true|false)", text)]
            for _ in range(60):
                begin, end = chance.choice(places)
                path = self.write("a", text[:begin] + chance.choice(values) + text[end:])
                code, _, err = run("--force", path, data(name))
                self.assertIn(code, (0, 2))
                self.assertEqual(code == 2, err.startswith("compare-bench: "), err)


class Statistics(unittest.TestCase):
    def test_students_t_is_that_of_the_tables(self):
        for freedom, p, t in ((1, 0.05, 12.706), (4, 0.05, 2.776), (8, 0.05, 2.306), (30, 0.01, 2.750),
                              (10, 0.001, 4.587), (1000, 0.05, 1.962)):
            self.assertAlmostEqual(statistics.student_t(p, freedom), t, places=3)
            self.assertAlmostEqual(statistics.student_p(t, freedom), p, places=4)

    def test_students_t_with_two_degrees_is_its_closed_form(self):
        for t in (0, 0.1, 1, 3, 50):
            self.assertAlmostEqual(statistics.student_p(t, 2), 1 - t / (2 + t * t) ** 0.5, places=12)

    @staticmethod
    def of(samples):
        return readers.of_samples("a", "s", samples)

    def test_times_rates_and_exchange_agree(self):
        a, b = [1.0, 1.1, 1.05, 0.97], [1.3, 1.25, 1.4]
        times = statistics.compare(self.of(a), self.of(b), rate=False)
        turned = statistics.compare(self.of(b), self.of(a), rate=False)
        rates = statistics.compare(self.of(a), self.of(b), rate=True)
        self.assertAlmostEqual(times.speedup, (3.95 / 3) / (4.12 / 4))
        for other in (turned, rates):
            self.assertAlmostEqual(times.speedup * other.speedup, 1)
            self.assertAlmostEqual(times.low * other.high, 1)
            self.assertAlmostEqual(times.p, other.p)
        self.assertTrue(times.low < times.speedup < times.high and times.p < 0.01)

    def test_the_interval_holds_the_truth_as_often_as_it_says(self):
        chance, held = random.Random(1), 0
        for _ in range(1000):
            a = self.of([chance.gauss(1.0, 0.05) for _ in range(5)])
            b = self.of([chance.gauss(1.2, 0.02) for _ in range(4)])
            c = statistics.compare(a, b, rate=False)
            held += c.low <= 1.2 <= c.high
        self.assertTrue(930 <= held <= 970, held)

    def test_verdicts(self):
        def verdict(speedup, p):
            return statistics.verdict(statistics.Comparison(speedup, 0, p=p), 0.05)
        self.assertEqual([verdict(s, None) for s in (1.05, 1 / 1.05, 1.06, 0.94)], ["equal", "equal", 1, 2])
        self.assertEqual([verdict(1.2, p) for p in (0.04, 0.06)], [1, "unclear"])

    def test_without_counts_there_is_no_p_and_one_sample_has_none(self):
        test = readers.Test("a", "s", 1.0, deviation=0.1)
        c = statistics.compare(test, test, rate=False)
        self.assertEqual((c.p, c.low), (None, None))
        self.assertAlmostEqual(c.error, 0.1 * 2**0.5)
        self.assertIsNone(statistics.compare(self.of([1.0]), self.of([1.0, 2.0]), rate=False).p)

    def test_samples_without_noise_have_an_interval_of_one_point(self):
        c = statistics.compare(self.of([1.0, 1.0]), self.of([2.0, 2.0]), rate=False)
        self.assertEqual((c.low, c.high, c.p), (2, 2, 0))

    def test_units_are_shown_with_four_digits(self):
        for value, unit, text in ((17.5e-6, "s", "17.50 µs"), (1.54e-3, "s", "1.540 ms"), (40e-9, "s", "40.00 ns"),
                                  (12345.6, "t/s", "12346 t/s"), (0.5, "t/s", "0.5000 t/s"), (3.1e9, "B", "3.100 GB")):
            self.assertEqual(units.shown(value, unit), text)


class Configuration(Folder):
    def test_unlike_configurations_are_refused_with_a_sentence(self):
        code, out, err = run(data("infer-bench.json"), data("infer-bench-avx2.json"))
        self.assertEqual((code, out), (2, ""))
        self.assertIn("cpu is avx512 in infer-bench and avx2 in infer-bench-avx2", err)
        self.assertIn("--force", err)
        code, out, _ = run("--force", data("infer-bench.json"), data("infer-bench-avx2.json"))
        self.assertEqual(code, 0)
        self.assertIn("Compared by force", out)

    def test_realizars_dimensions_must_be_alike(self):
        one = {"a": {"mean": 1, "unit": "ms"}}
        first = self.realizar("a.json", one, config={"hidden_dim": 32, "num_layers": 2})
        second = self.realizar("b.json", one, config={"hidden_dim": 64})
        code, _, err = run(first, second)
        self.assertEqual(code, 2)
        self.assertIn("hidden_dim is 32 in a and 64 in b", err)
        self.assertNotIn("num_layers", err)

    def test_ours_and_llama_bench_of_one_model_are_alike(self):
        code, out, err = run(data("infer-bench.json"), data("llama-bench.json"))
        self.assertEqual((code, err), (0, ""))
        self.assertIn("| n_ubatch | 512 | 512 |", out)
        self.assertIn("| pp64 | 28347 t/s | 2893 t/s | 10.2 % | 5 | not measured |", out)
        with open(data("llama-bench.json"), encoding="utf-8") as file:
            records = json.load(file)
        for record in records:
            record["model_size"] *= 2
        code, _, err = run(data("infer-bench.json"), self.write("big.json", records))
        self.assertEqual(code, 2)
        self.assertIn("model_size is 3.423 M in infer-bench and 6.833 M in big", err)

    def test_what_differs_within_a_file_is_in_the_names(self):
        def tests(*threads):
            return [{"n_prompt": 8, "n_threads": t, "samples_ts": [t, t + 0.1]} for t in threads]
        files = [readers.read(self.write("a.json", tests(1, 2, 4))), readers.read(self.write("b.json", tests(2)))]
        pairing = configuration.pair(files)
        self.assertEqual(pairing.common, ["pp8, n_threads 2"])
        self.assertEqual(pairing.only_in(0), ["pp8, n_threads 1", "pp8, n_threads 4"])
        self.assertEqual(pairing.settings, [])

    def test_the_same_test_twice_counts_as_one_with_all_samples(self):
        path = self.write("a.jsonl", '{"n_gen": 4, "samples_ts": [1, 2]}\n{"n_gen": 4, "samples_ts": [3]}\n')
        test = configuration.pair([readers.read(path)]).tests[0]["tg4"]
        self.assertEqual((test.samples, test.mean, test.count), ((1, 2, 3), 2, 3))

    def test_other_prompts_and_nothing_in_common_are_refused(self):
        with open(data("client.json"), encoding="utf-8") as file:
            root = json.load(file)
        root["prompts"]["cache_loops"]["prompt_text"] = "Another"
        code, _, err = run(data("client.json"), self.write("b.json", root))
        self.assertEqual(code, 2)
        self.assertIn("cache_loops was asked with other texts", err)
        code, _, err = run("--force", data("client.json"), data("realizar.json"))
        self.assertEqual(code, 2)
        self.assertIn("nothing was measured by both: client has memory_sequential, cache_loops; realizar has", err)


class Gate(Folder):
    def gate(self, old, new, *options):
        paths = [self.realizar(name, {"a": {"samples": samples, "unit": "ms"}, "b": {"mean": 1, "unit": "t/s"}})
                 for name, samples in (("old.json", old), ("new.json", new))]
        return run("--against", *paths, *options)

    def test_the_same_file_passes(self):
        for name in ("infer-bench.json", "google-benchmark.json", "client.json", "realizar.json"):
            code, out, err = run("--against", data(name), data(name), "--names", "new,old")
            self.assertEqual((code, err), (0, ""))
            self.assertIn("Nothing is slower than allowed", out)

    def test_slower_fails_and_names_what(self):
        code, out, err = self.gate([10, 10.1, 9.9], [11, 11.1, 10.9])
        self.assertEqual(code, 1)
        self.assertIn("compare-bench: g/a is 10.0 % worse: 10.00 ms in old, 11.00 ms in new; allowed are 5.0 %", err)
        self.assertNotIn("g/b", err)
        self.assertIn("- g/a is 10.0 % worse", out)

    def test_faster_and_little_slower_pass(self):
        self.assertEqual(self.gate([10, 10.1, 9.9], [5, 5, 5.1])[0], 0)
        self.assertEqual(self.gate([10, 10.1, 9.9], [10.4, 10.3, 10.5])[0], 0)
        self.assertEqual(self.gate([10, 10.1, 9.9], [10.4, 10.3, 10.5], "--band", "2")[0], 1)

    def test_noise_widens_the_limit(self):
        noisy = [8, 10, 12]     # 20 % deviation: standard error 11.5 %, of both 16.3 %
        self.assertEqual(self.gate(noisy, [s * 1.3 for s in noisy])[0], 0)
        self.assertEqual(self.gate(noisy, [s * 1.4 for s in noisy])[0], 1)
        self.assertEqual(self.gate(noisy, [s * 1.4 for s in noisy], "--errors", "3")[0], 0)

    def test_a_rate_that_falls_is_slower(self):
        paths = [self.realizar(name, {"a": {"mean": mean, "unit": "t/s"}})
                 for name, mean in (("old.json", 100), ("new.json", 90))]
        code, _, err = run("--against", *paths)
        self.assertEqual(code, 1)
        self.assertIn("g/a is 11.1 % worse: 100.0 t/s in old, 90.00 t/s in new", err)

    def test_requests_that_fail_more_often_are_named(self):
        paths = [self.write(name, {"prompts": {"a": {"stats": {"avg_tokens_per_second": 3, "success_rate": rate}}}})
                 for name, rate in (("old.json", 1), ("new.json", 0.8))]
        code, _, err = run("--against", *paths)
        self.assertEqual((code, err), (
            1, "compare-bench: a succeeded in 100 % of the attempts in old, in 80 % in new\n"))
        self.assertEqual(run("--against", *reversed(paths))[0], 0)

    def test_what_is_missing_fails_unless_forced(self):
        old = self.realizar("old.json", {"a": {"mean": 1, "unit": "s"}, "b": {"mean": 1, "unit": "s"}})
        new = self.realizar("new.json", {"a": {"mean": 1, "unit": "s"}, "c": {"mean": 1, "unit": "s"}})
        code, _, err = run("--against", old, new)
        self.assertEqual((code, err), (1, "compare-bench: g/b is in old and was not measured in new\n"))
        self.assertEqual(run("--force", "--against", old, new)[0], 0)


class Strict(HTMLParser):
    """Elements that close as they opened, and their names."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], set(), ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        assert not any(name.startswith("on") or name == "src" for name, _ in attrs), attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


class Report(Folder):
    def test_realizars_sample_figures_give_its_table(self):
        code, out, _ = run(data("realizar.json"), data("realizar-llamacpp.json"), "--names", "Realizar,llama.cpp")
        self.assertEqual(code, 0)
        lines = out.split("\n")
        at = lines.index("| Benchmark | Realizar | llama.cpp | Speedup | Winner |")
        self.assertEqual(lines[at + 2:at + 5], [
            "| model_forward/seq_len_1 | 17.50 µs | 19.20 µs | 1.10x | ✅ Realizar |",
            "| generation/greedy_5_tokens | 1.540 ms | 1.680 ms | 1.09x | ✅ Realizar |", ""])

    def test_losses_are_shown_as_plainly_as_wins(self):
        code, out, _ = run(data("realizar-llamacpp.json"), data("realizar.json"), "--names", "ours,theirs")
        self.assertEqual(code, 0)
        self.assertIn("| 0.91x | ✅ theirs |", out)
        self.assertIn("Of 2 ours wins 0 and theirs 2;", out)

    def test_one_file_alone_is_shown(self):
        code, out, _ = run(data("client.json"))
        self.assertEqual(code, 0)
        self.assertIn("| memory_sequential | 32.00 t/s | 0.1732 t/s | 0.5 % | 3 |", out)
        self.assertNotIn("Winner", out)

    def test_hostile_names_stay_text(self):
        name = "<script>alert(1)</script>\"'&|`[x](javascript:y)$\n# no heading"
        paths = [self.realizar(n, {name: {"samples": [1, 2], "unit": "s"}}, model=name) for n in ("a.json", "b.json")]
        page = os.path.join(self.folder, "a.html")
        code, _, err = run(*paths, "--names", "<b>a,<img src=x onerror=y>", "-o", page)
        self.assertEqual(code, 0, err)
        with open(page, encoding="utf-8") as file:
            text = file.read()
        parsed = Strict(text)
        self.assertIn("<script>alert(1)</script>", parsed.text)
        self.assertFalse(parsed.seen & {"script", "b", "img", "a", "link", "iframe"}, parsed.seen)
        self.assertNotRegex(text, r'(href|url)\s*[=(]\s*"?(https?:)?//')
        code, out, _ = run(*paths, "--names", "<b>a,<img src=x onerror=y>")
        self.assertNotIn("<", out.replace("< 0", ""))
        self.assertNotIn("\n# no", out)
        rows = [line for line in out.split("\n") if line.startswith("| g/")]
        self.assertEqual([len(re.findall(r"(?<!\\)\|", row)) for row in rows], [8, 10])

    def test_a_page_is_light_and_dark_and_asks_for_nothing(self):
        page = os.path.join(self.folder, "a.html")
        code, _, err = run(data("infer-bench.json"), data("llama-bench.json"), "-o", page)
        self.assertEqual(code, 0)
        with open(page, encoding="utf-8") as file:
            text = file.read()
        seen = Strict(text).seen
        self.assertIn("color-scheme: light dark", text)
        self.assertIn("prefers-color-scheme: dark", text)
        self.assertIn("default-src 'none'", text)
        self.assertEqual("svg" in seen, have_matplotlib())
        self.assertEqual("has no picture" in err, not have_matplotlib())

    def test_pictures_are_what_their_names_say_or_a_sentence(self):
        for end, magic in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
            picture, page = os.path.join(self.folder, "a" + end), os.path.join(self.folder, "a.md")
            code, _, err = run(data("google-benchmark.json"), data("google-aggregates.json"), "-o", picture, "-o", page)
            if not have_matplotlib():
                self.assertEqual(code, 2)
                self.assertIn("for pictures install matplotlib", err)
                continue
            with open(picture, "rb") as file:
                self.assertEqual(file.read(len(magic)), magic)
            with open(page, encoding="utf-8") as file:
                self.assertIn(f"![speed-ups](a{end})", file.read())

    @unittest.skipUnless(have_matplotlib(), "no matplotlib")
    def test_a_picture_of_many_tests_shows_those_furthest_apart(self):
        chance = random.Random(2)
        paths = [self.realizar(n, {f"t{i}": {"mean": 1 + chance.random(), "unit": "s"} for i in range(200)} |
                               {"far": {"mean": far, "unit": "s"}}) for n, far in (("a.json", 1), ("b.json", 1e6))]
        page = os.path.join(self.folder, "a.html")
        self.assertEqual(run(*paths, "-o", page)[0], 0)
        with open(page, encoding="utf-8") as file:
            labels = re.findall(r">(g/\w+)</text>", file.read())
        self.assertEqual(len(labels), plots.MOST_ROWS)
        self.assertIn("g/far", labels)


class CommandLine(Folder):
    def test_wrong_usage_is_a_sentence_and_2(self):
        a = data("client.json")
        for args in ([], [a, a, a], ["--against", a], ["--against", a, a, a], ["--no-such", a], ["--band", "x", a, a],
                     ["--band", "nan", a, a], ["-o", "a.txt", a, a], ["-o", "a.png", a], ["--names", "a", a, a],
                     ["--names", "a,a", a, a], [os.path.join(self.folder, "none.json")],
                     ["-o", os.path.join(self.folder, "none", "a.md"), a]):
            code, out, err = run(*args)
            self.assertEqual((code, out), (2, ""), args)
            self.assertRegex(err, r"^compare-bench: .+\n$")

    def test_the_manual_page_names_every_option(self):
        code, out, _ = run("--help")
        self.assertEqual(code, 0)
        with open(os.path.join(ROOT, "docs", "man", "compare-bench.1"), encoding="utf-8") as file:
            page = file.read()
        options = re.findall(r"^ +(?:-\w, )?--([a-z]+)", out, re.MULTILINE)
        self.assertEqual(options, ["against", "output", "names", "band", "errors", "force", "help"])
        for option in options:
            self.assertRegex(page, rf"Fl Fl {option}\b")
        self.assertTrue(all(len(line) <= 120 for line in out.split("\n")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["--buffer"] + sys.argv[1:])
