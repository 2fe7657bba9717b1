"""Makes the wheel of libinfer, by itself and as pip's build backend (PEP 517): the extension, which is cffi's (in API
mode, so the C compiler compares every layout with infer.h) with libinfer.a linked into it, and the Python files.

    python3 backend.py FOLDER     what `make python` calls, with CC, CFLAGS, LDFLAGS and BUILD in the environment
    pip install bindings/python   calls make for libinfer.a first

A wheel is a zip file of a few known names, so nothing but cffi and a C compiler is needed to make one."""

import base64
import contextlib
import hashlib
import io
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Optional

import cffi

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from declarations import declarations  # noqa: E402

ROOT = HERE.parent.parent
PACKAGES = ["jansson", "libpcre2-8", "libutf8proc"]
TAG = "cp39-abi3-" + re.sub(r"[-.]", "_", sysconfig.get_platform())
DATE = (1980, 1, 1, 0, 0, 0)  # of all files: the same sources make the same wheel
METADATA = """Metadata-Version: 2.1
Name: libinfer
Version: {version}
Summary: Runs language models on CPUs
License: MIT
Requires-Python: >=3.9
Requires-Dist: cffi>=1.15
Requires-Dist: numpy
"""
WHEEL = f"""Wheel-Version: 1.0
Generator: libinfer
Root-Is-Purelib: false
Tag: {TAG}
"""


def version() -> str:
    numbers = re.findall(r"#define INFER_VERSION_[MP]\w+ (\d+)", (ROOT / "include/infer.h").read_text())
    return ".".join(numbers)


def words(name: str, default: str) -> list[str]:
    return shlex.split(os.environ.get(name) or default)


def extension(build: Path) -> bytes:
    """_infer.abi3.so: it shows Python's entry alone, so it does not meet another libinfer in the same process."""
    compiler = words("CC", "cc")
    ffi = cffi.FFI()
    ffi.cdef(declarations(str(ROOT / "include/infer.h"), shlex.join(compiler)))
    ffi.set_source("libinfer._infer", "#include <infer.h>")
    libraries = subprocess.run(["pkg-config", "--libs", *PACKAGES], check=True, capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        source, library = f"{folder}/_infer.c", f"{folder}/_infer.abi3.so"
        with contextlib.redirect_stdout(sys.stderr if os.environ.get("V") else io.StringIO()):
            ffi.emit_c_code(source)
        subprocess.run([*compiler, "-shared", "-fPIC", "-pthread", *words("CFLAGS", "-O2"),
                        f"-I{ROOT / 'include'}", f"-I{sysconfig.get_path('include')}", source, "-o", library,
                        str(build / "libinfer.a"), "-Wl,--exclude-libs,ALL", "-s", *words("LDFLAGS", ""),
                        *shlex.split(libraries), "-lm"], check=True)
        return Path(library).read_bytes()


def make_wheel(folder: Path, build: Path) -> str:
    info = f"libinfer-{version()}.dist-info"
    files = {f"libinfer/{p.name}": p.read_bytes() for p in sorted((HERE / "libinfer").iterdir()) if p.is_file()}
    files["libinfer/_infer.abi3.so"] = extension(build)
    files[f"{info}/METADATA"] = METADATA.format(version=version()).encode()
    files[f"{info}/WHEEL"] = WHEEL.encode()
    files[f"{info}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = ""
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()

    wheel = f"libinfer-{version()}-{TAG}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / (wheel + ".new"), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
            archive.writestr(entry, content)
    (folder / (wheel + ".new")).rename(folder / wheel)
    return wheel


def build_wheel(wheel_directory: str, config_settings: Optional[dict[str, Any]] = None,
                metadata_directory: Optional[str] = None) -> str:
    subprocess.run(["make", "-C", str(ROOT), "build/libinfer.a"], check=True, stdout=sys.stderr)
    return make_wheel(Path(wheel_directory), ROOT / "build")


if __name__ == "__main__":
    print("  WHEEL " + make_wheel(Path(sys.argv[1]), Path(os.environ.get("BUILD", "build")).resolve()))
