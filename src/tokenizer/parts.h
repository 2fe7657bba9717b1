/* parts.h - what a tokenizer is made of: one pipeline, whichever file it comes from.
 *
 *   text -> cut at added tokens -> normaliser steps -> cut at added tokens that are matched after normalising
 *        -> pre-tokeniser steps -> model -> ids, between those of the post-processor
 *   ids  -> decoder -> bytes -> whole characters -> text
 *
 * Everything but `struct scratch` is constant once the tokenizer is open; the trie comes when it is first asked for. */
#ifndef TOKENIZER_PARTS_H
#define TOKENIZER_PARTS_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "src/base/error.h"
#include "src/tokenizer/tokenizer.h"

#include <stdatomic.h>

/* ---- Vocabulary ---- */

enum token_kind { /* GGUF's numbers */
    TOKEN_HOLE = 0, /* no token has this id */
    TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 3, TOKEN_USER = 4, TOKEN_UNUSED = 5, TOKEN_BYTE = 6
};

struct vocab {
    int32_t n;
    struct text *text;    /* (n) as they stand in the file; p NULL for a hole */
    struct text *piece;   /* (n) the bytes that a token decodes to, whatever stands around it */
    uint8_t *kind;        /* (n) */
    uint8_t *byte;        /* (n) what a TOKEN_BYTE stands for */
    bool *end;            /* (n) ends a text */
    bool *hidden;         /* (n) written only with INFER_UNPARSE_SPECIAL */
    float *score;         /* (n), or NULL */
    struct table by_name; /* the first of equal names */
    size_t longest;       /* bytes of the longest text */
    size_t longest_piece;
    int32_t bos, eos, unk;
};

bool vocab_new(struct vocab *v, struct arena *arena, size_t n);
/** Find a token by its text, or -1. */
int32_t vocab_find(const struct vocab *v, struct text name);
/** The same, but only what a model may make of plain text: no control, unknown or byte tokens, and none that were
 *  added, which are found before. */
int32_t vocab_find_plain(const struct vocab *v, struct text name);
/** Once texts and kinds are there: the index, byte values, tokens that end a text. */
infer_status vocab_finish(struct vocab *v, infer_error *err);
/** Hide what is special by its name, whatever its kind: GGUF files are not always right about kinds. */
void vocab_hide_names(struct vocab *v);
/** "<0x41>" -> 0x41, else -1. */
int byte_token_value(struct text t);

/* ---- Added tokens: found in the text before anything else ---- */

struct added {
    struct text text;
    int32_t id;
    bool control;     /* only with INFER_PARSE_SPECIAL */
    bool single_word; /* not next to a letter, digit, mark or connector */
    bool lstrip, rstrip; /* takes white space on that side with it */
    bool normalized;  /* found in the normalised text, itself normalised */
};

struct added_set {
    struct added *items; /* sorted by text */
    size_t n, room;
    uint32_t pairs[2048]; /* bit b0 << 8 | b1: an item begins with these bytes (one of a single byte: with any b1) */
};

struct added_match {
    size_t start, end; /* what it takes of the text */
    const struct added *token;
};

void added_sort(struct added_set *s);
/** The first match at or after *at, in a text of n bytes of which those before `from` are spoken for. Moves *at on.
 *  False if there is none. */
bool added_next(const struct added_set *s, const char *text, size_t n, size_t *at, size_t from, bool control,
                struct added_match *match);

/* ---- Regular expressions ---- */

struct regex {
    pcre2_code *code;
    bool jit;
};

/** The general context for everything that PCRE2 keeps while the tokenizer lives. */
pcre2_general_context *regex_memory(const infer_allocator *a);
/** A pattern in the dialect that tokenizer.json uses (Oniguruma's). */
infer_status regex_open(struct regex *r, const infer_allocator *a, pcre2_general_context *memory, struct text pattern,
                        infer_error *err);
void regex_close(struct regex *r);

struct scratch;
/** What matching needs; once for a scratch. False if memory is out. */
bool regex_ready(struct scratch *s);
void regex_done(struct scratch *s);
/** The next match in valid UTF-8 from `from` on. False if there is none, also where the match limit was reached. */
bool regex_next(const struct regex *r, struct scratch *s, const char *text, size_t n, size_t from, size_t *start,
                size_t *end);

/* ---- Steps ---- */

#define MAX_STEPS 16

/** SentencePiece's precompiled normalisation, see charsmap.c. */
struct charsmap {
    struct text trie, texts;
};

enum normal_kind {
    NORMAL_CHARSMAP,      /* strings of a map to what stands for them; `left`: grapheme by grapheme */
    NORMAL_PREPEND,       /* to before what is not empty */
    NORMAL_REPLACE,       /* from -> to */
    NORMAL_REPLACE_REGEX, /* regex -> to */
    NORMAL_UNICODE,       /* to a normal form: utf8proc options */
    NORMAL_LOWERCASE,
    NORMAL_CLEAN,         /* no control characters, plain spaces for white space */
    NORMAL_SPACE_HAN,     /* a space on both sides of each Chinese character */
    NORMAL_DROP_MARKS,    /* no combining marks; `left`: only those that take no space */
    NORMAL_STRIP          /* white space at left, right */
};
struct normal_step {
    enum normal_kind kind;
    struct text from, to;
    struct regex regex;
    struct charsmap map;
    int options;
    bool left, right;
};

enum pre_kind {
    PRE_SPLIT,     /* by a regex; see behaviour */
    PRE_METASPACE, /* spaces to `replacement`, put one before the text, split before each */
    PRE_PREFIX,    /* a space before text that has none there */
    PRE_MAP_BYTES  /* bytes to the characters of byte-level vocabularies: where steps follow ByteLevel */
};
enum behaviour { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_WITH_PREVIOUS, SPLIT_WITH_NEXT, SPLIT_CONTIGUOUS };
enum prepend { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS };
struct pre_step {
    enum pre_kind kind;
    enum behaviour behaviour;
    bool invert;
    struct regex regex;
    struct text replacement;
    enum prepend prepend;
    bool split;
};

enum decode_kind {
    DECODE_REPLACE,       /* from -> to in each token */
    DECODE_BYTE_FALLBACK, /* byte tokens to bytes */
    DECODE_BYTE_LEVEL,    /* characters of byte-level vocabularies to bytes */
    DECODE_WORDPIECE,     /* `from` at the start goes, else a space comes before it; the first token stays */
    DECODE_STRIP          /* up to n_start times `from` at the start of each token, and n_end times at its end */
};
struct decode_step {
    enum decode_kind kind;
    struct text from, to;
    size_t n_start, n_end;
};

/* ---- Models ---- */

enum model_kind { MODEL_BPE, MODEL_WORDPIECE, MODEL_UNIGRAM };

struct merge { /* left and right become id; the lowest rank comes first */
    uint32_t left, right, rank, id;
};
#define MERGE_FREE UINT32_MAX

struct bpe {
    bool byte_level;    /* symbols are bytes, else characters */
    bool mapped;        /* byte-level, but pieces come as characters (PRE_MAP_BYTES) */
    bool by_score;      /* SentencePiece: any two neighbours that make up a token, best score first; else by merges */
    bool ignore_merges; /* a piece that is a token is left so */
    bool byte_fallback; /* characters without a token become byte tokens */
    bool fuse_unk;      /* unknown characters in a row become one */
    bool words_apart;   /* no token crosses from another character to U+2581: cut there */
    int32_t byte_id[256]; /* tokens of single bytes, -1 where there is none */
    struct merge *merges; /* hash table, open addressing */
    size_t n_merges, mask;
};

bool bpe_reserve(struct bpe *b, const infer_allocator *a, size_t n_merges);
/** Add a merge; of equal pairs the first counts. */
void bpe_add(struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t id);
/** Once vocabulary and merges are there. */
void bpe_finish(struct bpe *b, const struct vocab *v);
/** Ids of a piece to the scratch's output. False if memory is out. */
bool bpe_encode(const infer_tokenizer *t, struct scratch *s, struct text piece);

struct wordpiece {
    struct text first, rest; /* what stands before tokens at the start of a word, and within one */
    size_t most_chars;       /* longer words are unknown */
};

/** Ids of a word to the scratch's output. False if memory is out. */
bool wordpiece_encode(const infer_tokenizer *t, struct scratch *s, struct text word);

struct edge {
    uint32_t from, to; /* nodes; to 0: free */
    uint8_t byte;
};

struct unigram {
    double *score;        /* (n) of each token */
    double unknown_score; /* of a character without a token */
    bool all_match;       /* control tokens too may be made of plain text */
    struct edge *edges;   /* the tokens' bytes as a tree: hash table, open addressing */
    size_t mask;
    int32_t *ids; /* (n_nodes) the token that ends there, or -1; node 0 is the root */
    size_t room;
    uint32_t n_nodes;
};

/** Once vocabulary and scores are there. False if memory is out. */
bool unigram_finish(struct unigram *u, const infer_allocator *a, const struct vocab *v);
void unigram_close(struct unigram *u, const infer_allocator *a);
/** Ids of a piece to the scratch's output. False if memory is out. */
bool unigram_encode(const infer_tokenizer *t, struct scratch *s, struct text piece);

/* ---- The whole ---- */

/* ---- The cache of words ---- */

/** Where the cache stands: behind the first step that cuts a plain sentence at its spaces, else before the model. False
 *  if memory is out. */
bool words_place(infer_tokenizer *t);
/** A cache, where the text is long enough. False if memory is out. */
bool words_open(struct scratch *s, size_t length);
typedef bool words_encoder(const infer_tokenizer *t, struct scratch *s, struct text piece);
/** Ids of a piece to the scratch's output: those it became before, else what `encode` makes of it. */
bool words_encode(const infer_tokenizer *t, struct scratch *s, struct text piece, words_encoder *encode);

struct infer_tokenizer {
    const infer_allocator *a;
    struct arena arena;
    infer_context *context;  /* kept alive, and */
    struct weights *weights; /* owned, if the tokenizer was opened alone; else NULL */
    pcre2_general_context *memory;
    struct vocab vocab;
    struct added_set added, added_normal;
    struct normal_step normal[MAX_STEPS];
    struct pre_step pre[MAX_STEPS];
    struct decode_step decode[MAX_STEPS];
    size_t n_normal, n_pre, n_decode;
    size_t words_from; /* the step before which the cache of words stands */
    enum model_kind model;
    struct bpe bpe;
    struct wordpiece wordpiece;
    struct unigram unigram;
    int32_t *prefix, *suffix; /* what INFER_ADD_SPECIAL puts around the ids */
    size_t n_prefix, n_suffix;
    int32_t *between; /* what stands between the texts of a pair */
    size_t n_between;
    const char *chat_template; /* or NULL */
    _Atomic(struct trie *) trie; /* see trie.h; or NULL */
    struct text first_without; /* Metaspace: the first token is written without any of these marks; or empty */
    bool fused;           /* loading: a Fuse decoder has come */
    uint8_t strip_start;  /* spaces that the text loses at its start */
    bool first_whole;     /* WordPiece: the first token is written as it stands */
    bool join_spaces;     /* no decoder: tokens with a space between */
    bool strip_first;     /* GGUF SentencePiece: the very first token loses one leading space */
    bool clean_spaces;    /* GGUF byte-level: spaces before punctuation go, see clean.c */
    bool bytes_in_runs;   /* tokenizer.json: each byte of a run of byte tokens that is no UTF-8 becomes U+FFFD */
    bool names_decoded;   /* tokenizer.json: control and user tokens pass the decoder like any other */
};

/** What GGUF's `tokenizer.ggml.pre` stands for. */
enum {
    PATTERN_IGNORE_MERGES = 1,
    PATTERN_ADD_BOS = 2,     /* unless the file says otherwise */
    PATTERN_KEEP_SPACES = 4, /* decoded text is not cleaned up */
    PATTERN_NFC = 8,         /* the model was trained on NFC */
    PATTERN_MARKS = 16,      /* not byte-level: characters, U+2581 for spaces, byte tokens */
    PATTERN_ADD_SEP = 32     /* as EOS at the end */
};
/** Adds the steps that a name stands for. *flags receives the above. */
infer_status patterns_apply(infer_tokenizer *t, struct text name, unsigned *flags, infer_error *err);
/** A name for each way of cutting there is, the one that most models of it have; p NULL past the last. */
struct text pattern_name(size_t i);
extern const char pattern_gpt2[]; /* what ByteLevel splits by */
extern const char pattern_punctuation[];

/** Fill vocab.piece by running the decoder's steps on every token. */
infer_status decode_prepare(infer_tokenizer *t, infer_error *err);

infer_tokenizer *tokenizer_new(const infer_allocator *a, infer_error *err);
/** Parts that loaders put together. */
infer_status tokenizer_add(infer_tokenizer *t, const struct added *token, infer_error *err);
infer_status tokenizer_split(infer_tokenizer *t, struct text pattern, enum behaviour behaviour, bool invert,
                             infer_error *err);
/** Ids that INFER_ADD_SPECIAL puts around those there are already. */
infer_status tokenizer_frame(infer_tokenizer *t, const int32_t *before, size_t n_before, const int32_t *after,
                             size_t n_after, infer_error *err);
/** What stands between the texts of a pair; without this call it is what stands behind a text. */
infer_status tokenizer_between(infer_tokenizer *t, const int32_t *ids, size_t n, infer_error *err);
/** The last call of a loader. */
infer_status tokenizer_finish(infer_tokenizer *t, infer_error *err);

infer_status load_gguf(infer_tokenizer *t, const struct weights *w, infer_error *err);
infer_status load_directory(infer_tokenizer *t, const struct weights *w, infer_error *err);
infer_status load_json(infer_tokenizer *t, struct text json, const char *name, infer_error *err);

/* ---- Scratch of one encode call ---- */

struct buffer {
    char *p;
    size_t n, room;
};

struct symbol;
struct word;

struct scratch {
    const infer_tokenizer *t;
    const infer_allocator *a;
    int32_t *ids; /* the caller's */
    size_t max, n;
    struct buffer normal[2];
    struct buffer step[MAX_STEPS];
    struct buffer mapped;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    unsigned n_limits; /* times the match limit was reached */
    struct symbol *symbols;
    size_t n_symbols; /* room */
    uint64_t *heap; /* of candidates */
    size_t n_heap;  /* room */
    struct word *words; /* cache of pieces seen, by hash; NULL for short texts */
    size_t word_mask;
};

/** Give back all but the caller's ids. */
void scratch_free(struct scratch *s);

static inline void emit(struct scratch *s, int32_t id)
{
    if (s->n < s->max)
        s->ids[s->n] = id;
    s->n++;
}

bool buffer_room(struct scratch *s, struct buffer *b, size_t n);
bool buffer_add(struct scratch *s, struct buffer *b, const char *p, size_t n);

/** `data` stays where it is. */
infer_status charsmap_open(struct charsmap *m, struct text data, infer_error *err);
bool charsmap_apply(struct scratch *s, const struct charsmap *m, bool graphemes, struct text in, struct buffer *out);

/** The normalised text: `in` itself if nothing changes, else one of the scratch's buffers. */
bool normalize(const infer_tokenizer *t, struct scratch *s, struct text *text);
/** Run the pre-tokeniser's steps and the model. `first`: the piece stands at the start of the whole text. */
bool pretokenize(const infer_tokenizer *t, struct scratch *s, struct text piece, bool first);

/** White space as Unicode's property has it. */
bool is_space(uint32_t code);
/** Characters of byte-level vocabularies: printable Latin-1 stands for itself, the other bytes for U+0100 upwards. */
uint32_t byte_to_char(uint8_t byte);
int byte_from_char(uint32_t code); /* -1 if it stands for none */

/** Spaces before punctuation and in contractions, as "clean up tokenization spaces" takes them away; see clean.c. */
struct clean {
    uint8_t space, quote, word; /* what each of the three passes holds back */
};
size_t clean_byte(struct clean *c, char byte, char *out); /* at most CLEAN_MAX bytes */
size_t clean_end(struct clean *c, char *out);
#define CLEAN_MAX 12

#endif
