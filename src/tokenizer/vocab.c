/* vocab.c - tokens by id and by name, and which of them end a text. */
#include "src/tokenizer/parts.h"

/* Names of tokens with which models end a text or a turn. They count only where the file has them as control tokens or
 * as tokens added by its maker: the same letters may also be an ordinary token. */
static const char *const end_names[] = {
    "</s>", "<eos>", "[EOS]", "<EOT>", "_<EOT>", "[EOT]", "[e~[", "<turn|>",
    "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "<|return|>", "<|call|>",
    "<|calls|>", "<|flush|>", "<|end_of_turn|>", "<|END_OF_TURN_TOKEN|>", "<|tool_response>", "<|endofturn|>",
    "<end_of_turn>", "<end_of_utterance>", "<｜end▁of▁sentence｜>",
};

/* Names that stand for no text either: the parts of a text with a hole to be filled. */
static const char *const hole_names[] = {
    "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>",
    "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>",
    "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>",
    "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>",
    "<reponame>", "<|file_sep|>",
};

/* Where a vocabulary has tokens by both other names, the first one only ends a message, or is ordinary text. */
static const struct {
    const char *name, *with[2];
} not_end[] = {
    { "<|end|>", { "<|return|>", "<|call|>" } },
    { "<|end|>", { "<|flush|>", "<|calls|>" } },
    { "</s>", { "<|tool_response>", "<|tool_response>" } },
};

bool vocab_new(struct vocab *v, struct arena *arena, size_t n)
{
    v->n = (int32_t)n;
    v->text = arena_new(arena, n, sizeof *v->text);
    v->piece = arena_new(arena, n, sizeof *v->piece);
    v->kind = arena_new(arena, n, sizeof *v->kind);
    v->byte = arena_new(arena, n, sizeof *v->byte);
    v->end = arena_new(arena, n, sizeof *v->end);
    v->hidden = arena_new(arena, n, sizeof *v->hidden);
    v->bos = v->eos = v->unk = -1;
    return v->text && v->piece && v->kind && v->byte && v->end && v->hidden;
}

int32_t vocab_find(const struct vocab *v, struct text name)
{
    uint32_t id;
    return table_find(&v->by_name, name, &id) ? (int32_t)id : -1;
}

int32_t vocab_find_plain(const struct vocab *v, struct text name)
{
    const int32_t id = vocab_find(v, name);
    if (id < 0)
        return -1;
    const uint8_t kind = v->kind[id];
    return kind == TOKEN_NORMAL || kind == TOKEN_UNUSED ? id : -1;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

int byte_token_value(struct text t)
{
    if (t.n != 6 || memcmp(t.p, "<0x", 3) || t.p[5] != '>')
        return -1;
    const int high = hex_digit(t.p[3]), low = hex_digit(t.p[4]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static void mark_end(struct vocab *v, const char *name, bool end)
{
    const int32_t id = vocab_find(v, text_of(name));
    if (id >= 0 && (v->kind[id] == TOKEN_CONTROL || v->kind[id] == TOKEN_USER))
        v->end[id] = end;
}

static void mark_ends(struct vocab *v)
{
    for (size_t i = 0; i < sizeof end_names / sizeof *end_names; i++)
        mark_end(v, end_names[i], true);
    for (size_t i = 0; i < sizeof not_end / sizeof *not_end; i++) {
        if (vocab_find(v, text_of(not_end[i].with[0])) >= 0 && vocab_find(v, text_of(not_end[i].with[1])) >= 0)
            mark_end(v, not_end[i].name, false);
    }
    if (v->eos >= 0)
        v->end[v->eos] = true;
}

void vocab_hide_names(struct vocab *v)
{
    for (size_t i = 0; i < sizeof end_names / sizeof *end_names; i++) {
        const int32_t id = vocab_find(v, text_of(end_names[i]));
        if (id >= 0)
            v->hidden[id] = true;
    }
    for (size_t i = 0; i < sizeof hole_names / sizeof *hole_names; i++) {
        const int32_t id = vocab_find(v, text_of(hole_names[i]));
        if (id >= 0)
            v->hidden[id] = true;
    }
}

infer_status vocab_finish(struct vocab *v, infer_error *err)
{
    if (!table_reserve(&v->by_name, (size_t)v->n))
        return fail_memory(err, "the index of a vocabulary");
    for (int32_t id = 0; id < v->n; id++) {
        if (v->kind[id] == TOKEN_HOLE)
            continue;
        const struct text t = v->text[id];
        if (t.n > v->longest)
            v->longest = t.n;
        v->hidden[id] = v->kind[id] == TOKEN_CONTROL || v->kind[id] == TOKEN_UNKNOWN;
        if (v->kind[id] == TOKEN_BYTE) {
            const int value = byte_token_value(t);
            if (value < 0)
                return fail(err, INFER_E_FORMAT,
                            "token %d is a byte token named \"%.*s\", not \"<0x00>\" to \"<0xFF>\"", id,
                            (int)(t.n < 32 ? t.n : 32), t.p);
            v->byte[id] = (uint8_t)value;
        }
        if (table_add(&v->by_name, t, (uint32_t)id) == TABLE_NOMEM)
            return fail_memory(err, "the index of a vocabulary");
    }
    mark_ends(v);
    return INFER_OK;
}
