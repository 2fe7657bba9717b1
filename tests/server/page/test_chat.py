"""A chat in the page: writing, stopping, changing, errors, what is kept; against a server that answers as told."""
import json
import tempfile
import time
import unittest

import hostile
import mock
from fixture import LAST, Chatting


class Answers(Chatting):
    def test_an_answer_is_shown_while_it_comes(self):
        page = self.open()
        self.say(page, "Go on.", "slow")
        page.wait(f"document.querySelector('{LAST} .body').innerText.includes('word3')")
        self.assertTrue(page.eval("document.getElementById('send').hidden"))
        page.wait(f"document.querySelector('{LAST} .figures').innerText.includes('tokens/s')")
        page.click("#stop")
        self.wait_end(page)

    def test_stop_ends_the_answer_and_keeps_what_came(self):
        page = self.open()
        for i, stop in enumerate((lambda: page.click("#stop"), lambda: page.key("Escape"))):
            gone = self.state.gone
            self.say(page, "Go on.", "slow")
            page.wait(f"document.querySelector('{LAST}.assistant .body')?.innerText.includes('word3')")
            stop()
            self.wait_end(page)
            self.assertIn("word3", page.text(f"{LAST} .body"))
            self.assertIn("stopped", page.text(f"{LAST} .figures"))
            deadline = time.monotonic() + 10
            while self.state.gone == gone and time.monotonic() < deadline:
                time.sleep(0.02)
            self.assertEqual(self.state.gone, gone + 1, "the server was not left")

    def test_figures_are_the_servers_or_else_of_clocks(self):
        page = self.open()
        self.ask(page, "A story.", "story")
        self.assertRegex(page.text(f"{LAST} .figures"),
                         r"^42\.5 tokens/s · first after [\d.]+ s · \d+ tokens · prompt of 35 \(30 cached, 250/s\)$")
        self.ask(page, "Good night.", "thinker")
        self.assertRegex(page.text(f"{LAST} .figures"),
                         r"^[\d.,]+ tokens/s · first after [\d.]+ s · \d+ tokens · prompt of 35 \(30 cached\)$")

    def test_markdown_is_shown_and_its_code_can_be_copied(self):
        page = self.open()
        page.browser.call("Browser.grantPermissions", browserContextId=page.context,
                          permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        self.ask(page, "A story.", "story")
        for name in ("table", "ol", "strong", "pre", "blockquote"):
            self.assertTrue(page.eval(f"Boolean(document.querySelector('{LAST} .body {name}'))"), name)
        page.click(".copy-code")
        page.wait("document.querySelector('.copy-code').innerText === 'Copied'")
        self.assertTrue(page.eval("navigator.clipboard.readText()").startswith("def winter(days):"))
        page.click(f"{LAST} [data-action=copy]")
        page.wait(f"document.querySelector('{LAST} [data-action=copy]').innerText === 'Copied'")
        self.assertEqual(page.eval("navigator.clipboard.readText()"), mock.STORY)

    def test_reasoning_is_folded_away_and_plain(self):
        page = self.open()
        self.assertEqual(self.ask(page, "Good night.", "thinker"), "Good night.")
        self.assertFalse(page.eval(f"document.querySelector('{LAST} details').open"))
        self.assertEqual(page.eval(f"document.querySelector('{LAST} .reasoning-text').textContent"),
                         "It is <b>late</b>, so I say good night.")
        page.click(f"{LAST} summary")
        self.assertTrue(page.eval(f"document.querySelector('{LAST} details').open"))
        self.say(page, "Again.")
        self.wait_end(page)
        self.assertNotIn("reasoning", json.dumps(self.state.requests[-1]))

    def test_a_call_is_shown_and_its_result_sent(self):
        page = self.open()
        self.ask(page, "The weather?", "caller")
        self.assertIn("Calls weather", page.text(f"{LAST} .calls"))
        self.assertIn('"city": "Bern"', page.text(f"{LAST} .calls"))
        self.assertIn("weather", page.text("#hint"))
        self.assertEqual(self.ask(page, "12 degrees"), "The tool says 12 degrees.")
        call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
        self.assertEqual(self.state.requests[-1]["messages"], [
            {"role": "user", "content": "The weather?"}, {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "12 degrees", "tool_call_id": "call_1"}])

    def test_hostile_answers_make_no_elements_and_run_nothing(self):
        page = self.open()
        page.eval("""import("/tests/markdown.js").then((module) => {
            window.markdown = module;
            window.hacked = () => { window.wasHacked = true; };
        })""")
        self.ask(page, "\n\n".join(t.replace("\ud83d", "") for t in hostile.INJECTIONS), "echo")
        blocks = page.eval(f"document.querySelectorAll('{LAST} .body > *').length")
        self.assertGreater(blocks, len(hostile.INJECTIONS) / 2)
        self.assertEqual(page.eval(f"markdown.foreign(document.querySelector('{LAST} .body'))"), [])
        self.assertEqual(page.eval("document.querySelectorAll('.user .body *').length"), 0)
        self.assertFalse(page.eval("Boolean(window.wasHacked)"))

    def test_a_long_answer_touches_only_its_end(self):
        page = self.open()
        self.ask(page, "first", "echo")
        page.eval("""(() => {
            const count = (element) => { const seen = { n: 0 };
                new MutationObserver((records) => { for (const r of records) seen.n += r.addedNodes.length + 1; })
                    .observe(element, { childList: true, characterData: true, subtree: true });
                return seen; };
            window.before = count(document.querySelector(".message"));
            window.all = count(document.getElementById("messages"));
        })()""")
        paragraph = "Some **bold** words and `code` that fill a line, and then some more of them. " * 4
        text = "\n\n".join([paragraph, f"- a\n- {paragraph}", f"```\n{paragraph}\n```"] * 55)
        self.assertGreater(len(text), 50000)
        page.eval(f"document.getElementById('input').value = {json.dumps(text)}")
        page.eval("document.getElementById('input').focus()")
        page.key("Enter")
        self.wait_end(page)
        self.assertEqual(page.eval(f"document.querySelectorAll('{LAST} pre').length"), 55)
        self.assertEqual(page.eval("before.n"), 0)
        nodes = page.eval(f"""(() => {{ let n = 0;
            const walker = document.createTreeWalker(document.querySelector("{LAST}"));
            while (walker.nextNode()) n++;
            return n; }})()""")
        # Each block is made anew some times, but not for each piece that comes after it.
        self.assertLess(page.eval("all.n"), 60 * nodes)


class Requests(Chatting):
    def test_settings_are_sent_if_they_are_set(self):
        page = self.open()
        self.ask(page, "Hello", "echo")
        self.assertEqual(self.state.requests[-1], {
            "model": "echo", "messages": [{"role": "user", "content": "Hello"}], "stream": True,
            "stream_options": {"include_usage": True}})
        page.click("#open-settings")
        values = {"temperature": "0", "top_p": "0.9", "top_k": "20", "min_p": "0.05", "max_tokens": "64", "seed": "7",
                  "stop": "END\n\\n\\n", "more": '{"logit_bias": {"5": -1}}'}
        for name, value in values.items():
            page.fill(f"[data-parameter={name}]", value)
        page.fill("#system", "Be brief.")
        page.key("Escape")
        page.click("#new-chat")
        self.ask(page, "Hello")
        self.assertEqual(self.state.requests[-1], {
            "model": "echo", "temperature": 0, "top_p": 0.9, "top_k": 20, "min_p": 0.05, "max_tokens": 64, "seed": 7,
            "stop": ["END", "\n\n"], "logit_bias": {"5": -1}, "stream": True, "stream_options": {"include_usage": True},
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]})
        page.go(self.url)
        page.wait("document.getElementById('model').value === 'echo'")
        self.assertEqual(page.eval("document.querySelector('[data-parameter=seed]').value"), "7")

    def test_what_the_server_takes_where_nothing_is_set_is_told(self):
        page = self.open()
        page.wait("document.querySelector('[data-parameter=temperature]').placeholder === '0.8'")
        self.assertEqual(page.eval("document.querySelector('[data-parameter=top_k]').placeholder"), "40")

    def test_models_that_write_are_offered(self):
        page = self.open()
        offered = page.eval("Array.from(document.getElementById('model').options, (option) => option.value)")
        self.assertEqual(offered, [name for name in mock.MODELS if name != "encoder"])

    def test_choosing_a_model_does_not_load_it(self):
        page = self.open()
        self.choose(page, "sleeper")
        self.choose(page, "echo")
        page.wait("document.getElementById('input').placeholder.includes('echo')")
        self.ask(page, "Hello")
        self.assertIn("echo", self.state.asked)
        self.assertNotIn("sleeper", self.state.asked)

    def test_a_setting_that_is_wrong_is_told_and_not_sent(self):
        page = self.open()
        page.click("#open-settings")
        page.fill("[data-parameter=more]", "[1]")
        self.assertIn("JSON object", page.text("#settings-error"))
        page.key("Escape")
        n = len(self.state.requests)
        self.ask(page, "Hello", "echo")
        self.assertIn("JSON object", page.text(f"{LAST} .error"))
        self.assertEqual(len(self.state.requests), n)

    def test_try_again_asks_the_same_and_replaces_the_answer(self):
        page = self.open()
        self.ask(page, "one", "echo")
        self.ask(page, "two")
        page.click(".message:nth-child(2) [data-action=again]")
        self.wait_end(page)
        self.assertEqual(self.texts(page), ["one", "one"])
        self.assertEqual(self.state.requests[-1]["messages"], [{"role": "user", "content": "one"}])

    def test_a_message_that_is_edited_is_sent_again_without_what_followed(self):
        page = self.open()
        self.ask(page, "one", "echo")
        self.ask(page, "two")
        page.click(".message:nth-child(1) [data-action=edit]")
        page.fill(".editor textarea", "three")
        page.key("Enter")
        self.wait_end(page)
        self.assertEqual(self.texts(page), ["three", "three"])

    def test_an_answer_that_is_edited_is_what_the_model_is_told(self):
        page = self.open()
        self.ask(page, "one", "echo")
        page.click(".message:nth-child(2) [data-action=edit]")
        page.fill(".editor textarea", "never said")
        page.click(".editor .primary")
        self.assertEqual(self.texts(page), ["one", "never said"])
        self.ask(page, "two")
        self.assertEqual(self.state.requests[-1]["messages"][1], {"role": "assistant", "content": "never said"})


class Errors(Chatting):
    def test_the_servers_sentence_is_shown(self):
        page = self.open()
        self.ask(page, "Hello", "refused")
        self.assertEqual(page.text(f"{LAST} .error"), "temperature: 9 is more than the most, 5.")
        self.assertIn("temperature", page.eval("document.getElementById('live').textContent"))

    def test_half_an_answer_stays_beside_the_error(self):
        page = self.open()
        for model, sentence in (("fails", "Memory for the cache ran out."),
                                ("cut", "before the answer was complete"), ("garbled", "not JSON")):
            self.assertEqual(self.ask(page, "Hello", model), "Half an answer")
            self.assertIn(sentence, page.text(f"{LAST} .error"))

    def test_try_again_after_an_error_removes_it(self):
        page = self.open()
        self.ask(page, "Hello", "refused")
        self.choose(page, "echo")
        page.click(f"{LAST} [data-action=again]")
        self.wait_end(page)
        self.assertEqual(self.texts(page), ["Hello", "Hello"])
        self.assertTrue(page.eval(f"document.querySelector('{LAST} .error').hidden"))

    def test_a_server_that_is_gone_is_told(self):
        page = self.open()
        page.call("Network.enable")
        page.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1,
                  uploadThroughput=-1)
        self.ask(page, "Hello")
        self.assertIn("The server cannot be reached", page.text(f"{LAST} .error"))

    def test_a_full_storage_is_told(self):
        page = self.open()
        page.eval("""(() => { let text = "x".repeat(1 << 22);
            for (let i = 0; text; i++) {
                try { localStorage.setItem("fill" + i, text); } catch { text = text.slice(text.length / 2 + 1); }
            } })()""")
        self.assertEqual(self.ask(page, "Hello" * 50, "echo"), "Hello" * 50)
        self.assertIn("storage is full", page.text("#notice"))


class Keys(Chatting):
    key = "s3cret"

    def test_a_key_is_asked_for_and_kept_for_the_tab_only(self):
        page = self.open()
        page.wait("!document.getElementById('notice').hidden")
        self.assertIn("API key", page.text("#notice-text"))
        page.click("#notice-action")
        self.assertEqual(page.focus(), "api-key")
        page.type("wrong")
        page.key("Tab")
        page.wait("document.getElementById('notice-text').innerText.includes('not known')")
        page.fill("#api-key", "s3cret")
        page.key("Tab")
        page.wait("document.getElementById('model').options.length > 0")
        self.assertTrue(page.eval("document.getElementById('notice').hidden"))
        page.key("Escape")
        self.assertEqual(self.ask(page, "Hello", "echo"), "Hello")
        self.assertNotIn("s3cret", page.eval("JSON.stringify(localStorage)"))
        self.assertIn("s3cret", page.eval("JSON.stringify(sessionStorage)"))


class Kept(Chatting):
    def titles(self, page):
        return page.eval("Array.from(document.querySelectorAll('#chat-list .chat'), (e) => e.innerText)")

    def test_a_chat_is_there_after_a_reload(self):
        page = self.open()
        self.ask(page, "one **b**", "echo")
        page.go(self.url)
        page.wait("document.querySelectorAll('.message').length === 2")
        self.assertEqual(self.texts(page), ["one **b**", "one b"])
        page.wait("document.getElementById('model').value === 'echo'")
        self.assertEqual(self.ask(page, "two"), "two")
        self.assertEqual(len(self.state.requests[-1]["messages"]), 3)

    def test_without_a_storage_the_page_works_and_forgets(self):
        page = self.open()
        page.call("Page.addScriptToEvaluateOnNewDocument", source="""
            for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { get() { throw new DOMException("no", "SecurityError"); } });""")
        page.go(self.url)
        page.wait("document.getElementById('model').options.length > 0")
        self.assertEqual(self.ask(page, "one", "echo"), "one")
        page.click("#theme")
        self.assertEqual(self.titles(page), ["one"])
        page.go(self.url)
        page.wait("document.getElementById('model').options.length > 0")
        self.assertEqual(self.titles(page), [])

    def test_what_was_being_written_is_kept_when_the_page_is_left(self):
        page = self.open()
        self.say(page, "Go on.", "slow")
        page.wait(f"document.querySelector('{LAST} .body').innerText.includes('word3')")
        page.go(self.url)
        page.wait("document.querySelectorAll('.message').length === 2")
        self.assertIn("word3", page.text(f"{LAST} .body"))

    def test_another_chat_stops_the_one_before(self):
        page = self.open()
        self.say(page, "Go on.", "slow")
        page.wait(f"document.querySelector('{LAST} .body').innerText.includes('word3')")
        page.click("#new-chat")
        self.wait_end(page)
        self.assertEqual(self.texts(page), [])
        page.wait("document.querySelectorAll('#chat-list .chat').length === 1")
        page.click("#chat-list .chat")
        self.assertIn("word3", page.text(f"{LAST} .body"))

    def test_the_chat_that_is_open_goes_on_when_it_is_chosen_again(self):
        page = self.open()
        self.say(page, "Go on.", "slow")
        page.wait(f"document.querySelector('{LAST} .body').innerText.includes('word3')")
        page.click("#chat-list .chat")
        page.wait(f"document.querySelector('{LAST} .body').innerText.includes('word30')")
        page.click("#stop")
        self.wait_end(page)

    def test_a_deleted_chat_stays_away_until_it_is_wanted_back(self):
        page = self.open()
        self.say(page, "Go on.", "slow")
        page.wait(f"document.querySelector('{LAST} .body').innerText.includes('word3')")
        page.click("#chat-list .icon")
        self.wait_end(page)
        self.assertEqual(self.titles(page), [])
        page.click("#notice-action")
        self.assertEqual(self.titles(page), ["Go on."])
        page.go(self.url)
        page.wait("document.querySelectorAll('#chat-list .chat').length === 1")

    def test_chats_go_to_a_file_and_come_back_from_it(self):
        page = self.open()
        self.ask(page, "one", "thinker")
        page.click("#new-chat")
        self.ask(page, "two", "caller")
        with tempfile.TemporaryDirectory() as folder:
            page.allow_downloads(folder)
            page.click("#export")
            deadline = time.monotonic() + 20
            while not (files := list(mock.pathlib.Path(folder).glob("*.json"))) and time.monotonic() < deadline:
                time.sleep(0.05)
            other = self.open()
            other.set_files("#import-file", str(files[0]))
            other.wait("document.querySelectorAll('#chat-list .chat').length === 2")
            self.assertEqual(self.titles(other), ["two", "one"])
            everything = "import('/store.js').then((m) => m.exportChats())"
            self.assertEqual(other.eval(everything), page.eval(everything))

    def test_a_file_that_is_none_of_ours_is_refused_with_a_sentence(self):
        page = self.open()
        files = {"not JSON": "{", "no chats": "[]", "message 1": json.dumps({"format": "infer-chats", "chats": [
            {"id": "a1", "messages": [{"role": "root", "content": "x"}]}]}), "no id": json.dumps({
                "format": "infer-chats", "chats": [{"id": "../x", "messages": []}]})}
        for sentence, text in files.items():
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                file.write(text)
                file.flush()
                page.set_files("#import-file", file.name)
                page.wait(f"document.getElementById('notice-text').innerText.includes('{sentence}')")
            self.assertEqual(self.titles(page), [])


class Texts(Chatting):
    def begin(self, page, text):
        page.click("#use-text")
        page.type(text)
        self.choose(page, "story")

    def value(self, page):
        return page.eval("document.getElementById('text').value")

    def test_a_text_is_continued_in_place(self):
        page = self.open()
        self.begin(page, "There was a fox")
        page.key("Enter", "Control")
        page.wait("document.getElementById('text-stop').hidden && !document.getElementById('undo').disabled")
        self.assertEqual(self.value(page), "There was a fox and so the tale went on.")
        self.assertEqual(self.state.requests[-1]["prompt"], "There was a fox")
        self.assertIn("42.5 tokens/s", page.text("#text-figures"))
        page.click("#undo")
        self.assertEqual(self.value(page), "There was a fox")
        page.go(self.url)
        page.wait("document.getElementById('text').value === 'There was a fox'")

    def test_a_model_without_a_template_is_offered_a_text_if_nothing_is_written(self):
        page = self.open()
        self.choose(page, "teller")
        page.wait("!document.getElementById('text-pane').hidden")
        self.assertEqual(page.focus(), "text")
        self.choose(page, "story")
        page.wait("!document.getElementById('chat-pane').hidden")
        page.type("Half a")
        self.choose(page, "teller")
        page.wait("document.getElementById('input').placeholder.includes('teller')")
        page.key("Tab")
        self.assertEqual(page.eval("document.getElementById('input').value"), "Half a")
        self.assertTrue(page.eval("document.getElementById('text-pane').hidden"))

    def test_another_chat_can_be_opened_while_a_text_is_typed(self):
        page = self.open()
        self.ask(page, "one", "echo")
        page.click("#new-text")
        page.type("Half a sentence")
        page.click("#chat-list .chat")
        page.wait("!document.getElementById('chat-pane').hidden")
        self.assertEqual(self.texts(page), ["one", "one"])
        page.click("#chat-list li:first-child .chat")
        self.assertEqual(self.value(page), "Half a sentence")

    def test_try_again_continues_from_the_same_place(self):
        page = self.open()
        self.begin(page, "There was a fox")
        for selector in ("#continue", "#again"):
            page.click(selector)
            page.wait("document.getElementById('text-stop').hidden && !document.getElementById('undo').disabled")
            self.assertEqual(self.value(page), "There was a fox and so the tale went on.")

    def test_escape_stops_and_errors_are_shown(self):
        page = self.open()
        self.begin(page, "There was")
        self.choose(page, "slow")
        page.click("#continue")
        page.wait("document.getElementById('text').value.includes('word3')")
        page.key("Escape")
        page.wait("document.getElementById('text-stop').hidden")
        self.assertIn("stopped", page.text("#text-figures"))
        self.choose(page, "refused")
        page.click("#continue")
        page.wait("document.getElementById('text-figures').innerText.includes('temperature: 9')")
        self.assertIn("word3", self.value(page))


if __name__ == "__main__":
    unittest.main()
