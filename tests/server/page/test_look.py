"""The page at a desk and on a phone, in light and dark, by keys alone; PICTURES=FOLDER keeps what it looks like."""
import unittest

from fixture import LAST, Chatting

WIDE = """A table and code that are wider than a phone, and a word that is: {word}

| {cells} |
|{rules}|
| {cells} |

```
{word} {word}
```

1. `{word}`
   > https://e.example/{word}
""".format(word="donaudampfschifffahrt" * 8, cells=" | ".join(["column"] * 12), rules="-|" * 12)

# Elements that reach beyond the page's right edge or whose text does so, but for what is within something that scrolls.
BEYOND = """Array.from(document.querySelectorAll("body *")).filter((e) => e.checkVisibility()
    && (e.getBoundingClientRect().right > innerWidth + 0.5
        || (e.scrollWidth > e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).overflowX === "visible"))
    && !e.closest("pre, .table-block, .hidden-text, svg")).map((e) => e.localName + "#" + e.id + "." + e.className)"""


class Looks(Chatting):
    def brightness(self, page, selector, name):
        """Of a colour, 0 to 1."""
        rgb = page.eval(f"""(() => {{ const canvas = document.createElement("canvas").getContext("2d");
            canvas.fillStyle = getComputedStyle(document.querySelector("{selector}")).{name};
            canvas.fillRect(0, 0, 1, 1);
            return Array.from(canvas.getImageData(0, 0, 1, 1).data); }})()""")
        return sum(rgb[:3]) / 765

    def contrast(self, page, selector, ground="body"):
        """By WCAG 2: of a text and what is behind it."""
        lights = sorted(page.eval(f"""(() => {{ const canvas = document.createElement("canvas").getContext("2d");
            const light = (colour) => {{ canvas.fillStyle = colour;
                canvas.fillRect(0, 0, 1, 1);
                const [r, g, b] = Array.from(canvas.getImageData(0, 0, 1, 1).data, (v) => v / 255)
                    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b; }};
            return [light(getComputedStyle(document.querySelector("{selector}")).color),
                    light(getComputedStyle(document.querySelector("{ground}")).backgroundColor)]; }})()"""))
        return (lights[1] + 0.05) / (lights[0] + 0.05)

    def test_colours_follow_the_system_and_the_switch(self):
        page = self.open()
        ground = lambda: self.brightness(page, "body", "backgroundColor")
        self.assertGreater(ground(), 0.9)
        page.prefer(dark=True)
        self.assertLess(ground(), 0.2)
        page.click("#theme")
        self.assertGreater(ground(), 0.9)
        self.assertEqual(page.eval("document.getElementById('theme').ariaPressed"), "false")
        page.go(self.url)
        self.assertGreater(ground(), 0.9)
        page.click("#theme")
        self.assertLess(ground(), 0.2)
        page.prefer(dark=False)  # the choice was the system's own: it follows again
        self.assertGreater(ground(), 0.9)

    def test_texts_stand_out_from_what_is_behind_them(self):
        for dark in (False, True):
            page = self.open(dark=dark)
            self.ask(page, "A story, please.", "story")
            pairs = (("body", "body"), (f"{LAST} .figures", "body"), (f"{LAST} a", "body"), ("#hint", "body"),
                     ("#chat-list .chat", "#chats"), ("#send", "#send"), (".code-head", ".code-block"),
                     (".code-block code", ".code-block"), ("blockquote", "body"))
            for selector, ground in pairs:
                self.assertGreater(self.contrast(page, selector, ground), 4.5, f"{selector} dark={dark}")
            self.picture(page, "desk-dark" if dark else "desk-light")

    def test_a_phone_needs_no_scrolling_sideways(self):
        page = self.open(width=360, height=680)
        views = {"empty": lambda: None, "answer": lambda: self.ask(page, WIDE, "echo"),
                 "error": lambda: self.ask(page, "x" * 300, "refused"),
                 "edit": lambda: page.click(".message [data-action=edit]"),
                 "settings": lambda: (page.key("Escape"), page.click("#open-settings")),
                 "chats": lambda: (page.key("Escape"), page.click("#open-chats")),
                 "text": lambda: (page.click("#new-text"), page.type(WIDE))}
        for name, show in views.items():
            show()
            self.picture(page, f"phone-{name}")
            self.assertEqual(page.eval(BEYOND), [], name)
            for element in ("document.documentElement", "document.getElementById('log')"):
                hidden = page.eval(f"{element}.scrollWidth - {element}.clientWidth")
                self.assertLessEqual(hidden, 0, f"{name} {element}")

    def test_what_is_beyond_the_edge_is_told(self):
        page = self.open(width=360, height=680)
        page.eval("document.getElementById('composer').append('x'.repeat(100))")
        self.assertNotEqual(page.eval(BEYOND), [])

    def test_nothing_moves_where_motion_is_unwanted(self):
        page = self.open(reduced_motion=True)
        self.say(page, "Go on.", "slow")
        page.wait(f"document.querySelector('{LAST} .body p') !== null")
        after = f"getComputedStyle(document.querySelector('{LAST} .body p'), '::after').animationName"
        self.assertEqual(page.eval(after), "none")
        page.prefer(reduced_motion=False)
        self.assertEqual(page.eval(after), "blink")
        page.key("Escape")
        self.wait_end(page)

    def test_the_page_follows_the_answer_until_the_reader_scrolls(self):
        page = self.open()
        self.say(page, "Go on.", "slow")
        page.wait("document.getElementById('log').scrollTop > 100")
        page.eval("document.getElementById('log').scrollTop = 0")
        page.wait("!document.getElementById('to-end').hidden")
        height = page.eval("document.getElementById('log').scrollHeight")
        page.wait(f"document.getElementById('log').scrollHeight > {height}")
        self.assertEqual(page.eval("document.getElementById('log').scrollTop"), 0)
        page.click("#to-end")
        page.wait("document.getElementById('log').scrollTop > 100")
        page.key("Escape")
        self.wait_end(page)


class Keyboard(Chatting):
    def test_on_a_touch_screen_enter_begins_a_line_and_send_sends(self):
        page = self.open(width=360, height=680)
        page.call("Emulation.setTouchEmulationEnabled", enabled=True)
        page.call("Emulation.setDeviceMetricsOverride", width=360, height=680, deviceScaleFactor=1, mobile=True)
        self.assertTrue(page.eval("matchMedia('(pointer: coarse) and (hover: none)').matches"))
        self.say(page, "one", "echo")
        page.type("two")
        self.assertEqual(page.eval("document.getElementById('input').value"), "one\ntwo")
        page.click("#send")
        self.wait_end(page)
        self.assertEqual(self.texts(page), ["one\ntwo", "one\ntwo"])

    def tab_to(self, page, wanted, most=40):
        for _ in range(most):
            if page.eval(f"document.activeElement.matches({wanted!r})"):
                self.assertNotEqual(page.eval("getComputedStyle(document.activeElement).outlineStyle"), "none", wanted)
                return
            page.key("Tab")
        self.fail(f"Tab does not reach {wanted}")

    def test_the_message_has_the_focus_at_first_and_after_an_answer(self):
        page = self.open()
        self.assertEqual(page.focus(), "input")
        self.ask(page, "Hello", "echo")
        self.assertEqual(page.focus(), "input")

    def test_shift_enter_begins_a_line_and_enter_sends(self):
        page = self.open()
        self.choose(page, "echo")
        page.eval("document.getElementById('input').focus()")
        height = page.eval("document.getElementById('input').offsetHeight")
        page.type("one")
        page.key("Enter", "Shift")
        page.type("two")
        self.assertEqual(page.eval("document.getElementById('input').value"), "one\ntwo")
        self.assertGreater(page.eval("document.getElementById('input').offsetHeight"), height)
        page.key("Enter")
        self.wait_end(page)
        self.assertEqual(self.texts(page), ["one\ntwo", "one\ntwo"])
        self.assertEqual(page.eval("document.getElementById('input').offsetHeight"), height)

    def test_enter_that_ends_a_composition_does_not_send(self):
        page = self.open()
        page.type("にほん")
        page.eval("""document.getElementById("input").dispatchEvent(
            new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true, cancelable: true }))""")
        self.assertEqual(self.texts(page), [])
        page.eval("""document.getElementById("input").dispatchEvent(
            new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }))""")
        page.wait("document.querySelectorAll('.message').length > 0")
        self.wait_end(page)

    def test_arrow_up_edits_the_last_message_and_escape_leaves_it(self):
        page = self.open()
        self.ask(page, "one", "echo")
        page.key("ArrowUp")
        self.assertEqual(page.eval("document.activeElement.value"), "one")
        page.type("!")
        page.key("Escape")
        self.assertEqual(self.texts(page), ["one", "one"])
        self.assertEqual(page.focus(), "input")

    def test_everything_is_reached_by_tab_and_can_be_seen(self):
        page = self.open()
        self.ask(page, "A story.", "story")
        for wanted in ("#new-chat", "#chat-list .chat", "#chat-list .icon", "#export", "#model", "#theme",
                       "#open-settings", "#log", ".user [data-action=edit]", ".table-block", ".copy-code",
                       ".code-block pre", ".assistant [data-action=again]"):
            self.tab_to(page, wanted)
        self.assertEqual(page.eval("getComputedStyle(document.activeElement.parentElement).opacity"), "1")
        page.key("Space")
        self.wait_end(page)

    def test_settings_open_and_close_by_keys(self):
        page = self.open()
        self.tab_to(page, "#open-settings")
        page.key("Enter")
        page.wait("document.querySelector('#settings:popover-open')")
        self.tab_to(page, "[data-parameter=temperature]")
        page.key("Escape")
        page.wait("!document.querySelector('#settings:popover-open')")
        self.assertEqual(page.focus(), "open-settings")

    def test_escape_closes_a_panel_before_it_stops_the_answer(self):
        page = self.open()
        self.say(page, "Go on.", "slow")
        page.click("#open-settings")
        page.key("Escape")
        page.wait("!document.querySelector('#settings:popover-open')")
        self.assertFalse(page.eval("document.getElementById('stop').hidden"))
        page.key("Escape")
        self.wait_end(page)

    def test_an_answer_is_spoken_once_when_it_is_complete(self):
        page = self.open()
        page.eval("""(() => { window.spoken = [];
            new MutationObserver(() => window.spoken.push(document.getElementById("live").textContent))
                .observe(document.getElementById("live"), { childList: true }); })()""")
        self.ask(page, "Hello there, all of you", "echo")
        self.assertEqual(page.eval("window.spoken"), ["The model writes.", "Hello there, all of you"])
        self.assertEqual(page.eval("document.getElementById('live').getAttribute('role')"), "status")

    def test_every_control_has_a_name(self):
        page = self.open()
        self.ask(page, "A story.", "story")
        tree = page.call("Accessibility.getFullAXTree")["nodes"]
        roles = ("button", "textbox", "combobox", "spinbutton", "link", "checkbox")
        controls = [n for n in tree if n.get("role", {}).get("value") in roles]
        self.assertGreater(len(controls), 10)
        self.assertEqual([n for n in controls if not n.get("name", {}).get("value")], [])


if __name__ == "__main__":
    unittest.main()
