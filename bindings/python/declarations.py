"""What infer.h declares, as cffi's cdef() takes it: made from the header by the C compiler, never kept as a copy."""

import re
import shlex
import subprocess
from pathlib import Path

# What the library calls is written in Python: these are the C functions that lead there.
CALLBACKS = """
extern "Python" void python_log(void *user, infer_log_level level, const char *line);
extern "Python" bool python_progress(void *user, float done);
extern "Python" void python_bad_tool(void *user, size_t index, const infer_error *why);
extern "Python" bool python_listed(void *user, const infer_listed *found);
extern "Python" void python_token(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top);
extern "Python" void python_part(void *user, infer_chat_part part, const char *text, size_t length);
"""


def declarations(header: str, compiler: str) -> str:
    """The preprocessor's output that stems from the header and its parts, in plain C without bodies and attributes."""
    command = [*shlex.split(compiler), "-std=c11", "-E", "-x", "c", header]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        mark = re.match(r'# \d+ "(.*?)"', line)
        if mark:
            inside = mark[1].startswith(str(Path(header).parent) + "/")
        elif inside:
            kept.append(line)
    text = re.sub(r"__attribute__\(\(visibility\(\"default\"\)\)\)", "", "\n".join(kept))
    text = re.sub(r"^static inline ([^{;]*\))\s*\{.*?^\}", r"\1;", text, flags=re.M | re.S)
    if "{" in re.sub(r"(struct|enum|union)\s*\w*\s*\{", "", text):
        raise ValueError(f"{header}: a body is left that cdef() does not take")
    return text + CALLBACKS
