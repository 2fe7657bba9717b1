/* patterns.c - what the names in `tokenizer.ggml.pre` stand for: how the makers of a model cut text into words.
 *
 * The expressions are those of the models' own tokenizers. Each cuts the pieces of the one before; what matches and
 * what lies between the matches are pieces alike. */
#include "src/tokenizer/parts.h"

#include <utf8proc.h>

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
/* The family that began with GPT-4's: contractions, words with a sign before them, then */
#define WORDS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SIGNS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA3 CONTRACTIONS "|" WORDS "|\\p{N}{1,3}|" SIGNS "|" SPACES
#define QWEN2 CONTRACTIONS "|" WORDS "|\\p{N}|" SIGNS "|" SPACES
/* GPT-4o tells capitals from small letters: a word is Capitals then small, or Capitals */
#define BIG "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define SMALL "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(tail) "[^\\r\\n\\p{L}\\p{N}]?" BIG "*" SMALL "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" BIG "+" SMALL "*" tail
#define SIGNS_SLASH " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
#define GPT4O CASED(CONTRACTIONS "?") "|\\p{N}{1,3}|" SIGNS_SLASH "|" SPACES
/* The same without Han letters in words, which stand by themselves */
#define NOT_HAN "(?!\\p{sc:Han})"
#define KIMI_WORD(tail) "[^\\r\\n\\p{L}\\p{N}]?(?:" NOT_HAN BIG ")*(?:" NOT_HAN SMALL ")+" tail \
                        "|[^\\r\\n\\p{L}\\p{N}]?(?:" NOT_HAN BIG ")+(?:" NOT_HAN SMALL ")*" tail
#define DEEPSEEK3_CJK "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+"
#define DEEPSEEK3_WORDS "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+" \
                        "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACES
/* Letters of the scripts with capitals */
#define DEEPSEEK_LETTERS \
    "\\s?[A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}\\x{295}-" \
    "\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}\\x{38c}\\x{38e}-" \
    "\\x{3a1}\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}\\x{13a0}-" \
    "\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}" \
    "\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-" \
    "\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}" \
    "\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}\\x{1ff2}-" \
    "\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}" \
    "\\x{2126}\\x{2128}\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}" \
    "\\x{214e}\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}" \
    "\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-" \
    "\\x{abbf}\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}" \
    "\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}" \
    "\\x{1e900}-\\x{1e943}]+"
#define DEEPSEEK_SIGNS "\\s?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+"
#define DEEPSEEK_CJK "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+"
#define BLOOM " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}\\x{60c})]+"
#define YOUTU_CJK \
    "[\\x{ac00}-\\x{d7a3}\\x{3131}-\\x{318e}]+|[\\x{ff01}\\x{2026}\\x{201c}\\x{201d}\\x{2018}\\x{2019}\\x{2014}" \
    "\\x{ff1a}\\x{ff1b}\\x{ff0c}\\x{3001}-\\x{303f}\\x{fe30}-\\x{fe4f}]+|[\\x{3105}-\\x{312f}]+|[\\x{4e00}-" \
    "\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+"
#define LINES "[^\\n]+|[\\n]+"

enum { MOST_REGEXES = 6 };
static const struct pattern {
    const char *names; /* with a space between */
    const char *regexes[MOST_REGEXES];
    unsigned flags;
} patterns[] = {
    { "gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jais exaone4",
      { GPT2 }, 0 },
    { "mpt olmo", { GPT2 }, PATTERN_NFC },
    { "trillion granite-docling", { GPT2 }, PATTERN_KEEP_SPACES },
    { "jina-v1-en jina-v2-code roberta-bpe", { GPT2 }, PATTERN_ADD_SEP },
    { "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", { LLAMA3 },
      PATTERN_IGNORE_MERGES | PATTERN_ADD_BOS },
    { "dbrx smaug-bpe chatglm-bpe", { LLAMA3 }, 0 },
    { "glm4 glm5", { LLAMA3 }, PATTERN_IGNORE_MERGES },
    { "minicpm5", { "\\p{N}{1,3}", CONTRACTIONS "|" WORDS "|\\p{N}+|" SIGNS "|" SPACES }, PATTERN_IGNORE_MERGES },
    { "jais-2", { CONTRACTIONS "|" WORDS "|\\p{N}{1,3}|" SIGNS "|\\s*[\\r\\n]+"
      "|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)"
      "|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}" }, 0 },
    { "qwen2 deepseek-r1-qwen megrez kormo f2llmv2", { QWEN2 }, PATTERN_KEEP_SPACES | PATTERN_NFC },
    { "qwen35",
      { CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES },
      PATTERN_KEEP_SPACES | PATTERN_NFC },
    { "stablelm2 solar-open", { QWEN2 }, 0 },
    { "hunyuan grok-2", { QWEN2 }, PATTERN_KEEP_SPACES },
    { "ufakzeka", { WORDS "|\\p{N}|" SIGNS "|" SPACES }, PATTERN_KEEP_SPACES },
    { "laguna", { LINES, QWEN2 }, PATTERN_KEEP_SPACES },
    { "seed-coder", { CONTRACTIONS "|" WORDS "|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" SPACES }, PATTERN_KEEP_SPACES },
    { "bailingmoe bailingmoe2 llada-moe",
      { "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}"
      "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+" }, PATTERN_KEEP_SPACES },
    { "exaone-moe",
      { CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}"
      "| ?[^\\s\\p{L}\\p{N}]+" "[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+" }, PATTERN_KEEP_SPACES },
    { "deepseek-llm", { "[\r\n]", DEEPSEEK_LETTERS, DEEPSEEK_SIGNS, "\\s+$", DEEPSEEK_CJK, "\\p{N}+" },
      PATTERN_KEEP_SPACES },
    { "deepseek-coder", { "[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_CJK, "\\p{N}" }, PATTERN_KEEP_SPACES },
    { "deepseek-v3 hunyuan-dense joyai-llm hy_v4", { "\\p{N}{1,3}", DEEPSEEK3_CJK, DEEPSEEK3_WORDS },
      PATTERN_KEEP_SPACES },
    { "falcon", { "[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]" }, 0 },
    { "starcoder refact codeshell exaone minerva-7b mellum2", { "\\p{N}", GPT2 }, 0 },
    { "command-r", { "\\p{N}", GPT2 }, PATTERN_KEEP_SPACES | PATTERN_NFC },
    { "smollm", { "\\p{N}", GPT2 }, PATTERN_KEEP_SPACES },
    { "poro-chat", { BLOOM }, PATTERN_KEEP_SPACES },
    { "bloom gpt3-finnish", { BLOOM }, 0 },
    { "viking", { BLOOM, "\\p{N}" }, PATTERN_KEEP_SPACES },
    { "tekken", { CASED("") "|\\p{N}|" SIGNS_SLASH "|" SPACES },
      PATTERN_KEEP_SPACES | PATTERN_IGNORE_MERGES | PATTERN_ADD_BOS },
    { "gpt-4o llama4 kanana2 talkie minimax-m2", { GPT4O }, PATTERN_KEEP_SPACES },
    { "granite-embed-multi-97m", { GPT4O }, PATTERN_KEEP_SPACES | PATTERN_IGNORE_MERGES },
    { "youtu", { YOUTU_CJK,
      CASED(CONTRACTIONS "?") "|\\p{N}|" SIGNS_SLASH "|" SPACES }, PATTERN_KEEP_SPACES | PATTERN_IGNORE_MERGES },
    { "kimi-k2", { "\\p{sc:Han}+|" KIMI_WORD(CONTRACTIONS "?") "|\\p{N}{1,3}|" SIGNS "|" SPACES },
      PATTERN_KEEP_SPACES },
    { "chameleon", { "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "[\\t\\n]|    |  ", "\\p{N}",
      "[\\p{P}!-/:-@\\[-`{-~]", GPT2 }, PATTERN_KEEP_SPACES | PATTERN_ADD_BOS },
    { "gemma4 granite-embed-multi-311m", { LINES }, PATTERN_MARKS | PATTERN_ADD_BOS },
    { "sarvam-moe", { LINES }, PATTERN_MARKS | PATTERN_KEEP_SPACES },
    { "default", { "[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]" }, 0 },
};

const char pattern_gpt2[] = GPT2;
const char pattern_punctuation[] = "[!-/:-@\\[-`{-~\\p{P}]";

struct text pattern_name(size_t i)
{
    if (i >= sizeof patterns / sizeof *patterns)
        return (struct text){ NULL, 0 };
    return (struct text){ patterns[i].names, strcspn(patterns[i].names, " ") };
}

static bool has_name(const char *names, struct text name)
{
    while (*names) {
        const size_t n = strcspn(names, " ");
        if (text_equal((struct text){ names, n }, name))
            return true;
        names += n + (names[n] == ' ');
    }
    return false;
}

infer_status patterns_apply(infer_tokenizer *t, struct text name, unsigned *flags, infer_error *err)
{
    const struct pattern *p = NULL;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns && !p; i++)
        p = has_name(patterns[i].names, name) ? &patterns[i] : NULL;
    if (!p)
        return fail(err, INFER_E_UNKNOWN, "tokenizer.ggml.pre is \"%.*s\", a pre-tokenizer that is not known here",
                    (int)(name.n < 100 ? name.n : 100), name.p);
    *flags = p->flags;
    t->bpe.ignore_merges = p->flags & PATTERN_IGNORE_MERGES;
    if (p->flags & PATTERN_NFC)
        t->normal[t->n_normal++] = (struct normal_step){ .kind = NORMAL_UNICODE,
                                                         .options = UTF8PROC_STABLE | UTF8PROC_COMPOSE };
    for (size_t i = 0; i < MOST_REGEXES && p->regexes[i]; i++) {
        const infer_status status = tokenizer_split(t, text_of(p->regexes[i]), SPLIT_ISOLATED, false, err);
        if (status)
            return status;
    }
    return INFER_OK;
}
