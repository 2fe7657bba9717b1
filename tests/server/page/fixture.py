"""One browser and one server for all tests of a program."""
import atexit
import os
import sys
import unittest

import browser
import mock

LAST = "#messages > .message:last-child"
_browser = None


def shared_browser():
    global _browser
    if _browser is None:
        program = browser.find_chromium()
        if program is None:
            print("there is no Chromium")
            sys.exit(77)
        _browser = browser.Browser(program)
        atexit.register(_browser.close)
    return _browser


class PageTest(unittest.TestCase):
    """Tests whose pages are closed at the end, and may not have had exceptions or refusals of the security policy."""
    key = None

    @classmethod
    def setUpClass(cls):
        cls.server, cls.state, cls.url = mock.start(key=cls.key)

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def open(self, **options):
        """A page that has shown its models."""
        page = shared_browser().new_page(self.url, **options)
        self.addCleanup(page.close)
        self.addCleanup(lambda: self.assertEqual(page.problems(), []))
        page.wait("document.getElementById('model').options.length > 0" if not self.key else "true")
        return page

    def picture(self, page, name):
        """Keep what the page looks like, where someone wants to look: in the folder that PICTURES names."""
        if os.environ.get("PICTURES"):
            page.screenshot(f"{os.environ['PICTURES']}/{name}.png")


class Chatting(PageTest):
    """Tests that talk with the page's models."""

    def choose(self, page, model):
        page.eval(f"""(() => {{ const select = document.getElementById("model");
            select.value = "{model}";
            select.dispatchEvent(new Event("change")); }})()""")

    def say(self, page, text, model=None):
        if model:
            self.choose(page, model)
        page.eval("document.getElementById('input').focus()")
        page.type(text)
        page.key("Enter")

    def wait_end(self, page):
        page.wait("document.getElementById('stop').hidden")

    def ask(self, page, text, model=None):
        """The text of the answer, when it is at its end."""
        self.say(page, text, model)
        self.wait_end(page)
        return page.text(f"{LAST} .body")

    def texts(self, page):
        return page.eval("Array.from(document.querySelectorAll('.message .body'), (e) => e.innerText)")
