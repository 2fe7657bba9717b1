/* probe.c - whether two tokenizers do the same, by trying. */
#include "src/convert/probe.h"

#include "src/base/error.h"
#include "src/tokenizer/parts.h"

enum { MOST_BYTES = 4096, MOST_IDS = MOST_BYTES + 64, ROWS = 4000 };

/* Contractions in either case, words with capitals, signs and what follows them, numbers of every length, all kinds of
 * white space, letters outside of Latin, marks that could be composed, pictures. */
static const char *const texts[] = {
    "I'm sure they'LL say it's what we've done, don't you? He'd'VE 'tis 'Twas rock'n'roll o'clock 'S 'Re",
    "HelloWorld helloWORLD ABCdef XMLHttpRequest iPhone snake_case kebab-case $price #tag @name _x __init__ a.b.c",
    "0 1 12 123 1234 12345 123456 1234567 3.14159 1,000,000 0x1F 1e-9 10% 2nd v2.0.1 99bottles 7eleven x1y2z3",
    "a 1  12   123    1234\t5 \t67\n8  \n 9 b  ( c   ) d    -1     --x  'll  \"q\"   中  é   ",
    " leading  two   three    four     spaces and trailing   ",
    "tabs\tand\t\tmore\n\nlines \n  \n   indented\r\nwindows\r\n\r\n end\n",
    "if (x == 1) { return y->z[0] += \"str\\n\"; } // comment\n/* a */ <tag attr='v'/> http://a.b/c?d=e&f=g ...!!! ?!\n/x",
    "naïve café Über straße Ça va cafe\u0301 u\u0308ber n\u0303 ấ A\u030a",
    "Привет, мир! Γειά σου",
    "你好，世界。 東京2024年 こんにちは カタカナ",
    "안녕하세요 \u1112\u1161\u11ab ㄅㄆ",
    "مرحبا بالعالم ١٢٣ नमस्ते สวัสดี",
    "😀👩\u200d💻 “quoted” ‘it’s’ — … ½ ² Ⅳ €5 \u00a0nbsp\u3000ideographic ⁇",
};

struct probe {
    const infer_tokenizer *a, *b;
    int32_t *ids[2]; /* MOST_IDS each */
    enum likeness likeness; /* so far */
    infer_error *err;
};

static infer_status same_ids(const struct probe *p, struct text t, unsigned flags, bool *same)
{
    size_t n_ids[2];
    infer_status status = infer_tokenizer_encode(p->a, t.p, t.n, flags, p->ids[0], MOST_IDS, &n_ids[0], p->err);
    if (status == INFER_OK)
        status = infer_tokenizer_encode(p->b, t.p, t.n, flags, p->ids[1], MOST_IDS, &n_ids[1], p->err);
    const size_t kept = n_ids[0] < MOST_IDS ? n_ids[0] : MOST_IDS;
    *same = status == INFER_OK && n_ids[0] == n_ids[1] && !memcmp(p->ids[0], p->ids[1], kept * sizeof(int32_t));
    return status;
}

/* Whether ids differ, and if so, whether they do for the white space at the text's ends alone. */
static infer_status compare(struct probe *p, const char *text, size_t n, unsigned flags)
{
    static const char white[] = { ' ', '\t', '\r', '\n' };
    struct text inner = { text, n };
    bool same;
    infer_status status = same_ids(p, inner, flags, &same);
    if (status != INFER_OK || same)
        return status;
    for (; inner.n && memchr(white, *inner.p, sizeof white); inner.n--)
        inner.p++;
    while (inner.n && memchr(white, inner.p[inner.n - 1], sizeof white))
        inner.n--;
    if (inner.n < n)
        status = same_ids(p, inner, flags, &same);
    p->likeness = same && p->likeness ? LIKENESS_OTHER_SPACES : LIKENESS_NONE;
    return status;
}

static infer_status compare_texts(struct probe *p)
{
    static const unsigned flags[] = { 0, INFER_ADD_SPECIAL, INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL };
    infer_status status = compare(p, "", 0, INFER_ADD_SPECIAL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && p->likeness; i++)
        for (size_t f = 0; f < sizeof flags / sizeof *flags && status == INFER_OK; f++)
            status = compare(p, texts[i], strlen(texts[i]), flags[f]);
    return status;
}

/* The text of a token without what stands around it, added to *n bytes of text. Added tokens are left out: what they do
 * to the text beside them is another matter. */
static infer_status add_token(const struct probe *p, int32_t id, char *text, size_t *n)
{
    const uint8_t kind = p->a->vocab.kind[id];
    size_t length;
    if (kind != TOKEN_NORMAL && kind != TOKEN_BYTE)
        return INFER_OK;
    const infer_status status =
        infer_tokenizer_decode(p->a, &id, 1, 0, text + *n, MOST_BYTES - *n, &length, p->err);
    if (status == INFER_OK && length < MOST_BYTES - *n)
        *n += length;
    return status;
}

static infer_status compare_tokens(struct probe *p, char *text)
{
    const int32_t size = infer_tokenizer_size(p->a);
    infer_status status = INFER_OK;
    for (int32_t id = 0; id < size && p->likeness && status == INFER_OK; id++) {
        size_t n = 0;
        status = add_token(p, id, text, &n);
        if (status == INFER_OK)
            status = compare(p, text, n, 0);
    }
    uint64_t random = 1;
    for (int row = 0; row < ROWS && p->likeness && status == INFER_OK; row++) {
        size_t n = 0;
        for (int i = 0; i < 2 + row % 4 && status == INFER_OK; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u; /* Knuth's linear congruential sequence */
            status = add_token(p, (int32_t)((random >> 33) % (uint64_t)size), text, &n);
        }
        if (status == INFER_OK)
            status = compare(p, text, n, 0);
    }
    return status;
}

infer_status probe(const infer_tokenizer *a, const infer_tokenizer *b, const infer_allocator *allocator,
                   enum likeness *likeness, infer_error *err)
{
    char *text = mem_new(allocator, MOST_BYTES, 1);
    int32_t *ids = mem_new(allocator, 2 * MOST_IDS, sizeof *ids);
    struct probe p = { .a = a, .b = b, .ids = { ids, ids + MOST_IDS }, .likeness = LIKENESS_SAME, .err = err };
    infer_status status = text && ids ? compare_texts(&p) : fail_memory(err, "comparing tokenizers");
    if (status == INFER_OK && p.likeness)
        status = compare_tokens(&p, text);
    *likeness = p.likeness;
    mem_free(allocator, text);
    mem_free(allocator, ids);
    return status;
}
