"""The vocabulary: byte-level BPE, split by GPT-2's pattern, so that GGUF's `gpt2` / `gpt-2` describe it exactly."""
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

TEXT_END = "<|endoftext|>"      # before every document, and so also after it: bos and eos in one
TURN_END = "<|end|>"
SPECIALS = [TEXT_END, "<|system|>", "<|user|>", "<|assistant|>", TURN_END]
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def texts_of(document):
    return [document] if isinstance(document, str) else [text for _, text in document]


def train(documents, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        (text for d in documents for text in texts_of(d)),
        trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIALS, show_progress=False,
                            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    bos = (TEXT_END, tokenizer.token_to_id(TEXT_END))
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{TEXT_END} $A", special_tokens=[bos])
    return tokenizer


def encode_document(tokenizer, document):
    """A story or a conversation -> ids, <|endoftext|> first; what the chat template would write."""
    special = tokenizer.token_to_id
    ids = [special(TEXT_END)]
    if isinstance(document, str):
        return ids + tokenizer.encode(document, add_special_tokens=False).ids
    for role, text in document:
        ids += [special(f"<|{role}|>"), *tokenizer.encode(text, add_special_tokens=False).ids, special(TURN_END)]
    return ids
