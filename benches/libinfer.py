"""libinfer.so through ctypes: as much of it as the scripts that measure it beside others need."""
import ctypes as c

ERROR_TEXT = 508


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("message", c.c_char * ERROR_TEXT)]


class ContextOptions(c.Structure):
    _fields_ = [("size", c.c_size_t), ("n_threads", c.c_int), ("cpu", c.c_char_p), ("allocator", c.c_void_p * 3),
                ("log", c.c_void_p), ("log_user", c.c_void_p)]


class SamplerOptions(c.Structure):
    _fields_ = [("size", c.c_size_t), ("seed", c.c_uint64), ("temperature", c.c_float), ("top_k", c.c_int32),
                ("top_p", c.c_float), ("min_p", c.c_float), ("repeat_penalty", c.c_float),
                ("repeat_last_n", c.c_int32)]


class Object:
    """A handle and the functions infer_NAME_*, each called as object.function(arguments); the last argument of those
    that can fail is added. Closed with the program."""

    def __init__(self, so, name, handle):
        self.so, self.name, self.handle = so, name, c.c_void_p(handle)

    def __getattr__(self, function):
        f = getattr(self.so, f"infer_{self.name}_{function}")
        return lambda *args: f(self.handle, *args)


class Library:
    def __init__(self, path, threads=1):
        self.so = c.CDLL(path)
        self.so.infer_session_logits.restype = c.POINTER(c.c_float)
        self.so.infer_model_tokenizer.restype = c.c_void_p
        self.context = self.open("context", c.byref(ContextOptions(c.sizeof(ContextOptions), threads)))

    def open(self, name, *args):
        """infer_NAME_open(args..., &error), or RuntimeError with the library's sentence."""
        function, err = getattr(self.so, f"infer_{name}_open"), Error()
        function.restype = c.c_void_p
        handle = function(*(a.handle if isinstance(a, Object) else a for a in args), c.byref(err))
        if not handle:
            raise RuntimeError(err.message.decode())
        return Object(self.so, name, handle)

    def tokenizer(self, path):
        return self.open("tokenizer", self.context, path.encode())
