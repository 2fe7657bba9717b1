"""What must hold of infer-run on a terminal: typed_run.py PROGRAM FOLDER."""
import json
import os
import stat
import sys

from terminal import CTRL_C, CTRL_D, LEFT, TAB, UP, Terminal

run, folder = sys.argv[1:]
for name in "INFER_MODEL", "INFER_CPU", "XDG_STATE_HOME":
    os.environ.pop(name, None)
os.environ["HOME"] = folder
history = f"{folder}/.local/state/libinfer/history"
said = f"{folder}/said so.json"


def talk(*options, **environment):
    terminal = Terminal([run, "--chat", "--temp", "0", "-n", "12", *options], **environment)
    if "-q" not in options:
        terminal.expect("/help lists commands")
    terminal.expect("> ")
    return terminal


def say(terminal, keys):
    """Type a line; what stands on the screen until the next prompt, without the line."""
    terminal.type(keys + "\r")
    terminal.expect("\r\n")
    return terminal.expect("\r\n> ")


def check(good, what):
    if not good:
        sys.exit(f"not true: {what}")


# A conversation, its commands, and what is left of it.
t = talk()
first = say(t, "Who are you?")
check(len(first) > 10, f"an answer: {first!r}")
check("no command /foo; /help" in say(t, "/foo"), "an unknown command is told")
check("takes nothing" in say(t, "/clear all"), "an argument that is not wanted is told")
check("needs the name of a file" in say(t, "/save"), "an argument that is missing is told")
check(all(c in say(t, "/help") for c in ("/save", "/load", "/system", "/regen", "/stats", "/clear", "/exit")), "/help")
again = say(t, "/regen")
check(first == again, f"at temperature 0 the answer is the same once more: {again!r}, not {first!r}")
stats = say(t, "/stats")
check("2 messages" in stats and "tokens/s" in stats, f"/stats: {stats!r}")
check("2 messages" in say(t, f"/save {said}"), "/save")
check("there is no system message" in say(t, "/system"), "/system without a message")
t.type("/system Be brief.\r")
t.expect("\r\n> ")
check("Be brief." in say(t, "/system"), "/system")
t.type("/clear\r")
t.expect("\r\n> ")
check("1 messages" in say(t, "/stats"), "/clear leaves the system message")
check("expected a JSON array of messages" in say(t, "/load /dev/null"), "a file that is no conversation is told")
check("cannot be read" in say(t, f"/load {folder}/none"), "a file that is not there is told")
check("2 messages" in say(t, f"/load {said}"), "/load")
messages = json.load(open(said, encoding="utf-8"))
check([m["role"] for m in messages] == ["user", "assistant"] and messages[0]["content"] == "Who are you?",
      f"what was saved: {messages}")
t.type("/exit\r")
check(t.end() == 0, "/exit ends it")

# Several lines are one message; two slashes are one.
t = talk("-q")
t.type("one \\\r")
t.expect(". ")
t.type("two\r")
t.expect("\r\n> ")
t.type('"""three\r')
t.expect(". ")
t.type('four"""\r')
t.expect("\r\n> ")
say(t, "//five")
t.type(f"/save {said}\r")
t.expect("6 messages")
t.type(CTRL_D)
check(t.end() == 0, "Ctrl-D ends it")
texts = [m["content"] for m in json.load(open(said, encoding="utf-8"))[::2]]
check(texts == ["one \ntwo", "three\nfour", "/five"], f"what was typed: {texts}")

# The history is the user's own, and is there the next time.
check(stat.S_IMODE(os.stat(history).st_mode) == 0o600, "nobody else reads the history")
t = talk()
t.type(UP + UP)
t.expect("//five")
t.type(CTRL_C)
t.expect("^C\r\n> ")
say(t, "naïve" + LEFT * 5 + "très ")
say(t, f"/save {said}")
check(json.load(open(said, encoding="utf-8"))[0]["content"] == "très naïve", "characters are edited whole")
t.type("forgotten")
t.type(CTRL_C)
t.expect("^C\r\n> ")
t.type("abc \\\r")
t.expect(". ")
t.type("def" + CTRL_C)
t.expect("^C\r\n> ")
check("there is no system message" in say(t, "/sy" + TAB), "Tab completes a command")
t.type("/s" + TAB)
t.expect("/save   /system   /stats")
t.type(CTRL_C)
t.expect("^C\r\n> ")
t.type(CTRL_D)
check(t.end() == 0, "the end")
check("forgotten" not in open(history, encoding="utf-8").read(), "what Ctrl-C has cleared is forgotten")

# Ctrl-C ends an answer, and the conversation goes on.
t = talk("--ignore-eos", "-c", "100000", "-n", "-1")
t.type("Tell me a story.\r")
t.expect("\r\n")
t.expect(" ")
t.type(CTRL_C)
t.expect("\r\n> ")
check("(interrupted)" in say(t, "/stats"), "an answer was interrupted")
t.type(CTRL_D)
check(t.end() == 0, "the end after an answer that was interrupted")

# A context that is too small is told, and something can be done about it.
t = talk("-c", "32", "-n", "-1", "--ignore-eos")
check("the context is full" in say(t, "Hello"), "an answer that does not fit")
check("-c N makes it larger" in say(t, "Hello " * 40), "a message that does not fit")
t.type("/clear\r")
t.expect("\r\n> ")
check("-c N" not in say(t, "Hi").split("(the context")[0], "after /clear there is room")
t.type(CTRL_D)
check(t.end() == 0, "the end of a small context")

# A terminal that can do nothing still has lines.
t = talk(term="dumb")
check(len(say(t, "Who are you?")) > 10, "an answer on a dumb terminal")
t.type(CTRL_D)
check(t.end() == 0, "Ctrl-D on a dumb terminal")

# Lines of a text are no commands.
t = Terminal([run, "-i", "-n", "4", "-q"])
t.expect("> ")
check("command" not in say(t, "/help"), "a text may begin with a slash")
t.type(CTRL_D)
check(t.end() == 0, "the end of a text")
