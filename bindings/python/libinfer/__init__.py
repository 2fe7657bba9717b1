"""libinfer runs language models on CPUs: the C library of infer.h, for Python.

    from libinfer import Model, Sampler, Session
    with Model.default() as model, Session(model) as session:
        for piece in session.generate("Once upon a time", Sampler(seed=1), n_predict=60):
            print(piece, end="", flush=True)

docs/python.md has an example of everything. A call that computes lets other Python threads run; Ctrl-C ends it."""

from .adapter import Adapter, AdapterInfo
from .beams import Beam, BeamEnd
from .cache import Cache, CacheStats, Listed, list_models
from .chat import (Answer, Chat, ChatParser, ChatTemplate, Part, Piece, ToolChoice, format_names, parse_answer,
                   template_names, template_source)
from .context import Context, LogLevel, Numa, version
from .embedder import Embedder, EmbedderInfo, Pooling
from .errors import (ArgumentError, Cancelled, ContextFull, FileError, FormatError, InferError, OutOfMemory, Status,
                     TimedOut, Unsupported)
from .generation import GenerateResult, Generation, Speculation, StopReason, WhenFull
from .grammar import Grammar, Matcher
from .logprobs import Likely, logprobs
from .model import Model, ModelInfo, Tensor
from .sampler import Sampler, Stage
from .scheduler import AnswerPiece, Request, Scheduler, SchedulerInfo
from .session import KvType, Precision, Session, SessionInfo, batch_eval, kv_bytes
from .store import Store, StoreStats
from .tokenizer import Stream, Tokenizer

__version__ = ".".join(map(str, version()))
__all__ = [
    "Adapter", "AdapterInfo", "Answer", "AnswerPiece", "ArgumentError", "Beam", "BeamEnd", "Cache", "CacheStats",
    "Cancelled", "Chat", "ChatParser", "ChatTemplate", "Context", "ContextFull", "Embedder", "EmbedderInfo",
    "FileError", "FormatError", "GenerateResult", "Generation", "Grammar", "InferError", "KvType", "Likely",
    "Listed", "LogLevel", "Matcher", "Model", "ModelInfo", "Numa", "OutOfMemory", "Part", "Piece", "Pooling",
    "Precision", "Request", "Sampler", "Scheduler", "SchedulerInfo", "Session", "SessionInfo", "Speculation",
    "Stage", "Status", "StopReason", "Store", "StoreStats", "Stream", "Tensor", "TimedOut", "Tokenizer",
    "ToolChoice", "Unsupported", "WhenFull", "batch_eval", "format_names", "kv_bytes", "list_models", "logprobs",
    "parse_answer", "template_names", "template_source", "version",
]
