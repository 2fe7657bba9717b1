"""The page as infer-server has it, with the model that is inside the program."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from fixture import LAST, Chatting

PROGRAM = pathlib.Path(os.environ.get("BUILD", "build")) / "infer-server"


class Served(Chatting):
    options = []

    @classmethod
    def setUpClass(cls):
        cls.log = tempfile.TemporaryFile("w+")
        cls.process = subprocess.Popen([PROGRAM, "--port", "0", *cls.options], stdout=subprocess.PIPE,
                                       stderr=cls.log, text=True)
        cls.addClassCleanup(cls.end)
        cls.url = re.search(r"http://\S+", cls.process.stdout.readline())[0] + "/"

    @classmethod
    def end(cls):
        early = cls.process.poll()
        cls.process.terminate()
        cls.process.communicate(timeout=30)
        cls.log.seek(0)
        with cls.log:
            if early is not None or cls.process.returncode:
                raise AssertionError(f"the server ended with {cls.process.returncode}: {cls.log.read()}")

    @classmethod
    def tearDownClass(cls):
        pass


class Open(Served):
    def test_the_embedded_model_answers(self):
        page = self.open()
        self.assertGreater(len(self.ask(page, "Tell me a story.")), 50)
        self.assertRegex(page.text(f"{LAST} .figures"), r"tokens/s · first after .* tokens · prompt of \d+")
        self.assertEqual(page.text(f"{LAST} .error"), "")

    def test_a_text_is_continued(self):
        page = self.open()
        page.click("#use-text")
        page.type("Once upon a time")
        page.click("#continue")
        page.wait("document.getElementById('text-stop').hidden && !document.getElementById('undo').disabled")
        self.assertRegex(page.eval("document.getElementById('text').value"), r"^Once upon a time.{20}")

    def test_what_the_server_refuses_is_told_in_its_words(self):
        page = self.open()
        page.click("#open-settings")
        page.fill("[data-parameter=more]", '{"temperature": -1}')
        page.key("Escape")
        self.ask(page, "Hello")
        self.assertRegex(page.text(f"{LAST} .error"), "temperature: .*-1")

    def test_what_it_takes_where_nothing_is_set_is_told(self):
        page = self.open()
        page.wait("document.querySelector('[data-parameter=temperature]').placeholder !== ''")

    def test_seeds_and_lengths_count(self):
        page = self.open()
        page.click("#open-settings")
        page.fill("[data-parameter=seed]", "5")
        page.fill("[data-parameter=max_tokens]", "20")
        page.key("Escape")
        first = self.ask(page, "Tell me a story.")
        self.assertIn("20 tokens", page.text(f"{LAST} .figures"))
        self.assertIn("cut off", page.text(f"{LAST} .figures"))
        page.click(f"{LAST} [data-action=again]")
        self.wait_end(page)
        self.assertEqual(page.text(f"{LAST} .body"), first)


class WithKey(Served):
    key = "s3cret"

    @classmethod
    def setUpClass(cls):
        file = tempfile.NamedTemporaryFile("w", suffix=".keys")
        cls.addClassCleanup(file.close)
        file.write(f"{cls.key}\n")
        file.flush()
        cls.options = ["--api-key-file", file.name]
        super().setUpClass()

    def test_the_page_is_there_without_a_key_and_its_models_with_one(self):
        page = self.open()
        page.wait("!document.getElementById('notice').hidden")
        self.assertIn("API key", page.text("#notice-text"))
        page.click("#notice-action")
        page.type(self.key)
        page.key("Tab")
        page.wait("document.getElementById('model').options.length > 0")
        page.key("Escape")
        self.assertGreater(len(self.ask(page, "Tell me a story.")), 50)


if __name__ == "__main__":
    unittest.main()
