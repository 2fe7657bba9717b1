"""What the page's Markdown makes of good texts and of hostile ones, in a browser."""
import json
import unittest

import fixture
import hostile

ADDRESS = "https://e.example/"
LINK = f'<a href="{ADDRESS}" title="{ADDRESS}" rel="noopener noreferrer nofollow" target="_blank">'
MEANINGS = [
    ("a\nb", '<p dir="auto">a<br>b</p>'),
    ("a\n\nb", '<p dir="auto">a</p><p dir="auto">b</p>'),
    ("# Head #", '<h3 dir="auto">Head</h3>'),
    ("###### Deep", '<h6 dir="auto">Deep</h6>'),
    ("#no head", '<p dir="auto">#no head</p>'),
    ("a\n---\nb", '<p dir="auto">a</p><hr><p dir="auto">b</p>'),
    ("**b** *i* ***bi*** ~~d~~ _u_ a_b_c", '<p dir="auto"><strong>b</strong> <em>i</em> <em><strong>bi</strong></em> '
     '<del>d</del> <em>u</em> a_b_c</p>'),
    ("**name:**value 2 * 3 * 4 ~5", '<p dir="auto"><strong>name:</strong>value 2 * 3 * 4 ~5</p>'),
    ("**a *b** c*", '<p dir="auto"><em><em>a <em>b</em></em> c</em></p>'),
    ("`a*b*` ``c`d`` `", '<p dir="auto"><code>a*b*</code> <code>c`d</code> `</p>'),
    ("\\*a\\* C:\\dir", '<p dir="auto">*a* C:\\dir</p>'),
    ("a &lt; b &amp;&amp; c &unknown;", '<p dir="auto">a &lt; b &amp;&amp; c &amp;unknown;</p>'),
    ("\\(a_1 * b_2 * c\\) $$x*y*z$$", '<p dir="auto">\\(a_1 * b_2 * c\\) $$x*y*z$$</p>'),
    ("[a](https://e.example/)", f'<p dir="auto">{LINK}a</a></p>'),
    ("[*a*](<https://e.example/> \"t\")", f'<p dir="auto">{LINK}<em>a</em></a></p>'),
    ("(see https://e.example/).", f'<p dir="auto">(see {LINK}https://e.example/</a>).</p>'),
    ("<https://e.example/>", f'<p dir="auto">{LINK}https://e.example/</a></p>'),
    ("![alt](https://e.example/)", f'<p dir="auto">{LINK}alt</a></p>'),
    ("[1] and [x] (y)", '<p dir="auto">[1] and [x] (y)</p>'),
    ("- a\n- b\n  - c\n\n  d", '<ul><li><p dir="auto">a</p></li><li><p dir="auto">b</p>'
     '<ul><li><p dir="auto">c</p></li></ul><p dir="auto">d</p></li></ul>'),
    ("3. a\n4. b", '<ol start="3"><li><p dir="auto">a</p></li><li><p dir="auto">b</p></li></ol>'),
    ("1. a\n   ```\n   x\n     y\n   ```\n2. b", '<ol start="1"><li><p dir="auto">a</p>CODE(text|x\n  y)</li>'
     '<li><p dir="auto">b</p></li></ol>'),
    ("in\n1986. a year", '<p dir="auto">in<br>1986. a year</p>'),
    ("- [ ] a\n- [x] b", '<ul><li><p dir="auto">☐ a</p></li><li><p dir="auto">☑ b</p></li></ul>'),
    ("> a\n> > b", '<blockquote><p dir="auto">a</p><blockquote><p dir="auto">b</p></blockquote></blockquote>'),
    ("```c\nint a;\n\n# b\n```\nc", 'CODE(c|int a;\n\n# b)<p dir="auto">c</p>'),
    ("~~~\n```\n~~~", "CODE(text|```)"),
    ("```py\nnot ended", "CODE(py|not ended)"),
    ("|a|b|\n|:-:|-:|\n|1|\\||\n|2|", '<div class="table-block" tabindex="0"><table><thead><tr>'
     '<th dir="auto" class="align-center">a</th><th dir="auto" class="align-right">b</th></tr></thead><tbody><tr>'
     '<td dir="auto" class="align-center">1</td><td dir="auto" class="align-right">|</td></tr>'
     '<tr><td dir="auto" class="align-center">2</td></tr></tbody></table></div>'),
    ("a | b", '<p dir="auto">a | b</p>'),
    ("a\nb|c\n-|-x\nd", '<p dir="auto">a<br>b|c<br>-|-x<br>d</p>'),
    ("a\nb|c\n-|-\n\nd", '<p dir="auto">a</p><div class="table-block" tabindex="0"><table>'
     '<thead><tr><th dir="auto">b</th>'
     '<th dir="auto">c</th></tr></thead><tbody></tbody></table></div><p dir="auto">d</p>'),
    ("a<br>b <b>c</b>", '<p dir="auto">a<br>b &lt;b&gt;c&lt;/b&gt;</p>'),
]


def expand(html):
    """CODE(language|text) in full."""
    if "CODE(" not in html:
        return html
    before, rest = html.split("CODE(", 1)
    inside, after = rest.split(")", 1)
    language, text = inside.split("|", 1)
    return (f'{before}<div class="code-block" dir="ltr"><div class="code-head"><span>{language}</span>'
            '<button type="button" class="copy-code">Copy</button></div>'
            f'<pre tabindex="0"><code>{text}</code></pre></div>{after}')


class Markdown(fixture.PageTest):
    def setUp(self):
        self.page = self.open()
        self.page.eval("""import("/tests/markdown.js").then((module) => {
            window.markdown = module;
            window.hacked = () => { window.wasHacked = true; };
        })""")

    def call(self, function, *arguments):
        return self.page.eval(f"markdown.{function}(...{json.dumps(arguments)})")

    def test_marks_mean_what_writers_of_markdown_mean(self):
        for text, expected in MEANINGS:
            with self.subTest(text):
                self.assertEqual(self.call("html", text), expand(expected))

    def test_no_text_makes_an_element_or_a_link_that_markdown_has_not(self):
        for text in [*hostile.INJECTIONS, *(text for text, _ in MEANINGS)]:
            found = self.page.eval(f"""(() => {{ const element = markdown.render({json.dumps(text)});
                document.getElementById("messages").append(element);
                return markdown.foreign(element); }})()""")
            self.assertEqual(found, [], text)
        self.assertFalse(self.page.eval("Boolean(window.wasHacked)"))
        self.assertEqual(self.page.problems(), [])

    def test_what_is_foreign_is_told(self):
        elements = (("img", "alt", ""), ("script", "type", "text/plain"), ("p", "id", "a"), ("p", "title", ""),
                    ("a", "href", "ftp://e.example/"), ("div", "class", "primary"))
        for tag, attribute, value in elements:
            found = self.page.eval(f"""(() => {{ const root = document.createElement("div");
                const element = document.createElement("{tag}");
                element.setAttribute("{attribute}", "{value}");
                root.append(element);
                return markdown.foreign(root); }})()""")
            self.assertTrue(found, f"{tag} {attribute}")

    def test_no_text_takes_long_or_nests_deep(self):
        for name, text in hostile.HEAVY.items():
            with self.subTest(name):
                weight = self.call("weigh", text)
                self.assertLess(weight["ms"], 5000)  # a quarter of a second at most, where nothing else runs
                self.assertLess(weight["depth"], 50)

    def test_a_text_that_grows_looks_as_if_shown_at_once(self):
        self.assertEqual(self.call("differingTexts", 150, 7), [])
        for text, _ in MEANINGS:
            self.assertEqual(self.page.eval(f"markdown.differsGrowing({json.dumps(text)}, () => 0)"), -1, text)

    def test_a_text_that_changes_is_shown_anew(self):
        self.assertEqual(self.call("shownAfter", "# a\n\nb\n\nc\n\nd", "# x"), '<h3 dir="auto">x</h3>')

    def test_blocks_that_are_complete_stay_the_same_nodes(self):
        kept = self.call("keptNodes", "first **bold**\n\n- a\n- b\n\n```\ncode\n", "more\n```\n\nend")
        self.assertEqual(kept, {"paragraph": True, "item": True, "code": True})


if __name__ == "__main__":
    unittest.main()
