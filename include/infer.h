/* infer.h - run language models.
 *
 * infer_context    threads, instruction set, allocator and logger; any number of them live side by side
 * infer_model      weights used where they are mapped from a GGUF file or a Hugging Face directory, and their
 *                  tokenizer; constant once open, shared by any number of sessions and threads
 * infer_tokenizer  text <-> token ids; part of a model, or opened alone from a vocabulary file
 * infer_chat_template  a model's way to write conversations; constant once open
 * infer_chat       how a model is talked with: template, tools, what answers are held to; constant once open
 * infer_chat_parser    tells content, reasoning and tool calls apart in what a model writes; used by one thread at a
 *                      time
 * infer_cache      models kept open by their paths, within a budget of bytes; shared by any number of threads
 * infer_session    one timeline of tokens with its own cache and logits; used by one thread at a time
 * infer_sampler    picks the next token from logits; used by one thread at a time
 * infer_grammar    what texts may look like; constant once open, shared by any number of samplers and threads
 * infer_matcher    one text on its way through a grammar; used by one thread at a time
 * infer_generation  a text that is fetched piece by piece; used by one thread at a time
 * infer_embedder   makes vectors and scores of whole texts; used by one thread at a time
 *
 *     infer_error err;
 *     infer_context *ctx = infer_context_open(NULL, &err);
 *     infer_model *model = infer_model_open(ctx, "model.gguf", NULL, &err);
 *     infer_session *session = infer_session_open(model, NULL, &err);
 *     infer_sampler *sampler = infer_sampler_open(ctx, NULL, &err);
 *     infer_generate(session, sampler, "Once upon a time", 16, NULL, NULL, &err);
 *
 * Rules that hold for every function:
 * - Nothing here ends the program, prints, or reads the environment. A function that makes something returns NULL on
 *   failure, the others an infer_status; both fill `err` (which may be NULL) with a code and a sentence.
 * - A NULL options pointer means the defaults. Otherwise start from infer_*_defaults(): the struct carries its own
 *   size, so that a program compiled against an older header keeps working.
 * - infer_*_close takes the address of the handle and sets it to NULL; closing NULL is allowed. Handles keep what they
 *   need alive: a model its context, a session its model.
 * - Text is UTF-8 with an explicit length; it may hold NUL bytes.
 * What is not in this header is not part of the API. */
#ifndef INFER_H
#define INFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INFER_VERSION_MAJOR 0
#define INFER_VERSION_MINOR 1
#define INFER_VERSION_PATCH 0

#if defined(__GNUC__)
#define INFER_API __attribute__((visibility("default")))
#else
#define INFER_API
#endif

/** Version of the library linked: (major << 16) | (minor << 8) | patch. */
INFER_API unsigned infer_version(void);

/* ---- Errors --------------------------------------------------------------------------------------------------- */

/** What went wrong. Values are for ever: never renumbered, never reused. */
typedef enum infer_status {
    INFER_OK = 0,
    INFER_E_NOMEM = 1,     /**< the allocator returned NULL */
    INFER_E_IO = 2,        /**< the system could not open, read or map a file */
    INFER_E_ARGUMENT = 3,  /**< the caller's value is outside its documented range */
    INFER_E_FORMAT = 10,   /**< the file contradicts itself or its specification */
    INFER_E_UNKNOWN = 11,  /**< a sound file, but of a kind that this version does not run */
    INFER_E_FULL = 20,     /**< no room: a session holds no more tokens and is unchanged, a cache no more models, a
                            *   listing no more entries */
    INFER_E_CANCELLED = 21 /**< infer_session_cancel() or a callback asked to stop */
} infer_status;

/** A code and one sentence naming the file, the field, what was found and what was expected. */
typedef struct infer_error {
    infer_status code; /**< never INFER_OK after a failure */
    char message[508]; /**< terminated; long ones are cut */
} infer_error;

/** Name of a status, such as "INFER_E_NOMEM"; never NULL. */
INFER_API const char *infer_status_name(infer_status status);

/* ---- Context -------------------------------------------------------------------------------------------------- */

typedef struct infer_context infer_context;

/** Where all memory of a context comes from, save weights, which are mapped, and what the libraries for JSON and
 *  regular expressions take while a file is being opened or JSON is read. Both functions are called from several
 *  threads at once. `alloc` returns memory aligned to 64 bytes, or NULL; `free` takes what alloc gave, never NULL. */
typedef struct infer_allocator {
    void *user;                              /**< handed to both */
    void *(*alloc)(void *user, size_t size); /**< NULL: memory is out */
    void (*free)(void *user, void *memory);  /**< never fails */
} infer_allocator;

typedef enum infer_log_level {
    INFER_LOG_ERROR = 1,
    INFER_LOG_WARN = 2,
    INFER_LOG_INFO = 3,
    INFER_LOG_DEBUG = 4
} infer_log_level;

/** Receives one line without a newline; called from any thread that uses the context. */
typedef void infer_log_fn(void *user, infer_log_level level, const char *line);

/** Progress of something long, 0..1. Return false to cancel it. */
typedef bool infer_progress_fn(void *user, float done);

/** What to do where memory belongs to several nodes, each near to some of the cores. Every machine's results are the
 *  same. */
typedef enum infer_numa {
    INFER_NUMA_NONE = 0,       /**< nothing (default) */
    INFER_NUMA_DISTRIBUTE = 1, /**< threads spread over all nodes, each kept on its node; weights that are read in
                                *   (infer_model_options.no_mmap) lie near the threads that compute with them */
    INFER_NUMA_ISOLATE = 2     /**< all threads kept on the node where the context is opened */
} infer_numa;

/** Options of infer_context_open(). */
typedef struct infer_context_options {
    size_t size;               /**< sizeof(infer_context_options) */
    int n_threads;             /**< threads that compute, 1..256; 0 = as many as affinity lists, else one per physical
                                *   core that the process may use, and no more than the CPU limit of its control group,
                                *   rounded up (default) */
    const char *cpu;           /**< best instruction set to use: "scalar", "avx2", "avx512", "amx";
                                *   on ARM "scalar", "neon", "dotprod", "i8mm"; NULL = all there is (default) */
    infer_allocator allocator; /**< all zero = malloc and free (default) */
    infer_log_fn *log;         /**< NULL = silence (default) */
    void *log_user;            /**< handed to log */
    const char *affinity;      /**< where the threads that the context starts run: NULL or "none" = where the system
                                *   puts them, but not on efficiency cores if there are performance cores for all
                                *   (default); "compact" = each on a physical core of its own, the fastest first, node
                                *   by node; a list such as "0,2,4-7" = thread i on the i-th of these CPUs. Thread 0 is
                                *   the program's own, the one that calls: it is left where it is */
    infer_numa numa;           /**< INFER_NUMA_NONE (default) */
    bool huge_pages;           /**< ask the system for huge pages (Linux' transparent ones): for weights that are read
                                *   in and, unless there is an allocator, for caches and work buffers. It gives what it
                                *   can (default false) */
} infer_context_options;

static inline infer_context_options infer_context_defaults(void)
{
    infer_context_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

/** Make a context: starts n_threads - 1 threads, which sleep when there is nothing to do. Thread safe. */
INFER_API infer_context *infer_context_open(const infer_context_options *options, infer_error *err);
INFER_API void infer_context_close(infer_context **context);
/** Name of the kernel table in use, such as "avx512"; valid as long as the context. */
INFER_API const char *infer_context_cpu(const infer_context *context);
INFER_API int infer_context_threads(const infer_context *context);

/* ---- Tokenizer ------------------------------------------------------------------------------------------------ */

typedef struct infer_tokenizer infer_tokenizer;

enum {
    INFER_ADD_SPECIAL = 1,      /**< encode: add what the model expects at the start and end (BOS, EOS, CLS ...) */
    INFER_PARSE_SPECIAL = 2,    /**< encode: the names of control tokens in the text become these tokens */
    INFER_REMOVE_SPECIAL = 4,   /**< decode: leave out the tokens that INFER_ADD_SPECIAL puts at the start and end */
    INFER_UNPARSE_SPECIAL = 8   /**< decode: write control tokens by name instead of leaving them out */
};

/** Open the vocabulary of a GGUF file (which may hold no tensors), of a Hugging Face directory, or a tokenizer.json.
 *  The tokenizer is constant once open and may be used by any number of threads. */
INFER_API infer_tokenizer *infer_tokenizer_open(infer_context *context, const char *path, infer_error *err);
INFER_API void infer_tokenizer_close(infer_tokenizer **tokenizer);

/** Text to ids.
 *  @param flags   INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL, or 0.
 *  @param ids     Room for max ids; at most max are written. May be NULL if max is 0.
 *  @param n       Receives how many ids the text has, also when that is more than max (call again with more room).
 *  @note A text of n bytes has at most n + 8 tokens, except where normalisation lengthens it. Bytes that are not UTF-8
 *        become byte tokens where the vocabulary has them, else U+FFFD. */
INFER_API infer_status infer_tokenizer_encode(const infer_tokenizer *tokenizer, const char *text, size_t length,
                                              unsigned flags, int32_t *ids, size_t max, size_t *n, infer_error *err);
/** Ids to text, whole. As encode: at most max bytes are written to text (no terminator), *length receives the size
 *  needed. An id outside the vocabulary is INFER_E_ARGUMENT. */
INFER_API infer_status infer_tokenizer_decode(const infer_tokenizer *tokenizer, const int32_t *ids, size_t n,
                                              unsigned flags, char *text, size_t max, size_t *length, infer_error *err);

/** Ids to text one by one, each piece whole UTF-8 characters. Zero the struct before the first call. */
typedef struct infer_stream {
    unsigned flags;    /**< INFER_UNPARSE_SPECIAL or 0 */
    uint8_t n_held;    /**< bytes of an unfinished character in held[] */
    uint8_t held[7];   /**< n_held bytes */
    uint32_t n_tokens; /**< tokens seen; the first one decides on a leading space */
    uint32_t state;    /**< the tokenizer's own */
} infer_stream;
/** The pieces, and what infer_tokenizer_stream_end adds, are the text that infer_tokenizer_decode makes of all ids; but
 *  of byte tokens in a row that are no UTF-8 together, a tokenizer.json's decode shows none, a stream its whole
 *  characters. Text that token `id` completes: at most max bytes to text, *length of them; 0 while a character is
 *  unfinished. A piece is at most infer_tokenizer_max_piece() bytes long; less room is INFER_E_ARGUMENT. */
INFER_API infer_status infer_tokenizer_stream(const infer_tokenizer *tokenizer, infer_stream *stream, int32_t id,
                                              char *text, size_t max, size_t *length, infer_error *err);
/** What is left at the end of a stream: an unfinished character comes out as U+FFFD. At most 16 bytes. */
INFER_API size_t infer_tokenizer_stream_end(infer_stream *stream, char *text, size_t max);
INFER_API size_t infer_tokenizer_max_piece(const infer_tokenizer *tokenizer);

INFER_API int32_t infer_tokenizer_size(const infer_tokenizer *tokenizer);
/** A token as it stands in the vocabulary (length bytes, not terminated, valid as long as the tokenizer), or NULL. */
INFER_API const char *infer_tokenizer_token(const infer_tokenizer *tokenizer, int32_t id, size_t *length);
/** Id of a token by its name in the vocabulary, or -1. */
INFER_API int32_t infer_tokenizer_find(const infer_tokenizer *tokenizer, const char *name, size_t length);
/** True for the tokens that end a text: end of sequence, end of turn, end of message ... */
INFER_API bool infer_tokenizer_is_end(const infer_tokenizer *tokenizer, int32_t id);
INFER_API bool infer_tokenizer_is_control(const infer_tokenizer *tokenizer, int32_t id);
INFER_API int32_t infer_tokenizer_bos(const infer_tokenizer *tokenizer); /**< -1 if there is none */
INFER_API int32_t infer_tokenizer_eos(const infer_tokenizer *tokenizer); /**< -1 if there is none */
/** The model's chat template (Jinja source, terminated), or NULL. */
INFER_API const char *infer_tokenizer_chat_template(const infer_tokenizer *tokenizer);

/* ---- Chat templates ------------------------------------------------------------------------------------------- */

/** A compiled chat template: how a model wants a conversation written. It is constant once open, any number of threads
 *  may render it at once. Templates are programs of strangers: the steps, the memory, the depth and the output of a
 *  rendering are bounded, and it reaches nothing outside itself. */
typedef struct infer_chat_template infer_chat_template;

/** Compile a template: Jinja source, such as infer_tokenizer_chat_template() or infer_chat_template_builtin() give.
 *  What it may use: docs/chat.md. */
INFER_API infer_chat_template *infer_chat_template_open(infer_context *context, const char *source, size_t length,
                                                        infer_error *err);
INFER_API void infer_chat_template_close(infer_chat_template **chat);
/** Source of a common template by its name, "chatml", terminated; NULL if there is none of this name. For models that
 *  bring none. */
INFER_API const char *infer_chat_template_builtin(const char *name);
/** Names of the built-in templates in alphabetical order; NULL past the last. */
INFER_API const char *infer_chat_template_name(size_t index);

/** How infer_chat_render() writes a conversation. */
typedef struct infer_chat_options {
    size_t size;                      /**< sizeof(infer_chat_options) */
    const char *tools;                /**< JSON array of the functions that the model may call; NULL = none (default) */
    const char *variables;            /**< JSON object of further variables, {"enable_thinking": false}, which count
                                       *   more than those above and below; NULL = none (default) */
    bool no_generation_prompt;        /**< do not end with the beginning of the model's answer (default false) */
    const infer_tokenizer *tokenizer; /**< whose bos_token and eos_token the template gets; NULL = they are undefined,
                                       *   and print as nothing (default) */
    int64_t now;                      /**< what strftime_now() of templates tells: seconds from 1970-01-01 00:00:00 to
                                       *   the date and time on the clock, whatever its time zone; 0 = the system's, in
                                       *   UTC (default) */
} infer_chat_options;

static inline infer_chat_options infer_chat_defaults(void)
{
    infer_chat_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

/** Write a conversation as the template has it. Nothing must be added to it by the tokenizer: encode it with
 *  INFER_PARSE_SPECIAL alone, as it begins with BOS where the model wants that.
 *  @param messages JSON array of objects with "role" and "content", as OpenAI's API has them, n bytes; NULL =
 *                  `variables` are the only ones that the template has.
 *  @param text     room for max bytes, of which at most max are written (no terminator). May be NULL if max is 0.
 *  @param length   receives the size needed, also when that is more than max (call again with more room).
 *  @return INFER_E_ARGUMENT for what is no JSON, and where the template itself refuses the conversation
 *          (raise_exception); INFER_E_FORMAT for its other mistakes, of which the sentence names the line. */
INFER_API infer_status infer_chat_render(const infer_chat_template *chat, const char *messages, size_t n,
                                         const infer_chat_options *options, char *text, size_t max, size_t *length,
                                         infer_error *err);

/* ---- Answers of chat models ----------------------------------------------------------------------------------- */

/** Tells apart what a chat model writes: text for the reader, reasoning, calls of tools. Fed with text as it is
 *  generated, with control tokens written by name (infer_generate_options.unparse_special), as their names are the
 *  marks of many formats. Used by one thread at a time. */
typedef struct infer_chat_parser infer_chat_parser;

typedef enum infer_chat_part {
    INFER_CHAT_CONTENT = 0,   /**< text for the reader */
    INFER_CHAT_REASONING = 1, /**< what the model thinks before it answers */
    INFER_CHAT_CALL = 2,      /**< a tool is called: the function's name, whole */
    INFER_CHAT_ARGUMENTS = 3  /**< of the call before, whole: a JSON object */
} infer_chat_part;

/** Receives parts as they come. Content and reasoning come in pieces (whole characters, if the parser is fed with
 *  such); a call comes when it is complete. */
typedef void infer_chat_part_fn(void *user, infer_chat_part part, const char *text, size_t length);

/** What infer_chat_parser_open() is told of the answers to come. */
typedef struct infer_chat_parser_options {
    size_t size;                 /**< sizeof(infer_chat_parser_options) */
    const char *format;          /**< a name of infer_chat_format_name(); NULL = that of the template (default) */
    const char *chat_template;   /**< source of the model's template: the format whose marks it holds; NULL = "json"
                                  *   (default). Not kept */
    const char *prompt;          /**< the prompt that the model continues: if it ends with the mark that reasoning
                                  *   begins with, so does the answer; NULL = it does not (default). Not kept */
    const char *tools;           /**< JSON array of the functions, as in infer_chat_options: tells strings from numbers
                                  *   where a format does not; NULL = not known (default) */
    bool no_calls;               /**< calls are content: no tools were offered (default false) */
    infer_chat_part_fn *on_part; /**< NULL = parts are dropped */
    void *user;                  /**< handed to on_part */
} infer_chat_parser_options;

static inline infer_chat_parser_options infer_chat_parser_defaults(void)
{
    infer_chat_parser_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

INFER_API infer_chat_parser *infer_chat_parser_open(infer_context *context, const infer_chat_parser_options *options,
                                                    infer_error *err);
INFER_API void infer_chat_parser_close(infer_chat_parser **parser);
/** The next piece of the answer. Text that may be the beginning of a mark is held back until that is clear, that of a
 *  call until it is complete. What looks like a call but is none is content (or reasoning, within that), as it stands.
 *  Space around marks is dropped.
 *  @return INFER_OK, or INFER_E_NOMEM, after which nothing more can be fed. */
INFER_API infer_status infer_chat_parser_feed(infer_chat_parser *parser, const char *text, size_t length,
                                              infer_error *err);
/** The answer is at its end: what was held back comes out. A call may lack its last mark, which is often the token that
 *  ended the answer. The parser is then ready for another answer, without a prompt. */
INFER_API infer_status infer_chat_parser_end(infer_chat_parser *parser, infer_error *err);
/** Parse a whole answer into a message of OpenAI's API: {"role": "assistant", "content": T or null,
 *  "reasoning_content": T, "tool_calls": [{"type": "function", "function": {"name": T, "arguments": T}}]}, the last two
 *  where there are any. on_part is called too, if it is set. At most max bytes are written to json (no terminator);
 *  *needed receives the size needed. The parts are what feeding the text in any pieces gives. */
INFER_API infer_status infer_chat_parse(infer_context *context, const infer_chat_parser_options *options,
                                        const char *text, size_t length, char *json, size_t max, size_t *needed,
                                        infer_error *err);
/** Names of the formats; NULL past the last. docs/chat.md says what they are. */
INFER_API const char *infer_chat_format_name(size_t index);
/** Name of the format that a parser reads. */
INFER_API const char *infer_chat_parser_format(const infer_chat_parser *parser);

/* ---- Model ---------------------------------------------------------------------------------------------------- */

typedef struct infer_model infer_model;

/** Options of infer_model_open() and its kind. */
typedef struct infer_model_options {
    size_t size;  /**< sizeof(infer_model_options) */
    bool inspect; /**< open any sound file, also one without tensors or of an unknown architecture: metadata, tensors
                   *   and, where there is one, the tokenizer can be read; sessions are refused (default false) */
    bool no_mmap; /**< read the files into memory by all threads, instead of using them where they are mapped: they may
                   *   then change, and their pages cannot be taken away. No effect on a model in memory (default
                   *   false) */
    bool lock;    /**< keep the weights in physical memory (mlock). Where the system forbids that, a warning to the log
                   *   says what to do, and the model is opened all the same. No effect on a model in memory (default
                   *   false) */
    infer_progress_fn *on_read; /**< progress of what is read in or made, on the thread that opens the model: each
                                 *   begins anew; NULL = none (default) */
    void *user;                 /**< handed to on_read */
    const char *quantize;   /**< have the matrices quantised as the model is opened: a type or a usual mix of types,
                             *   "q8_0", "q4_k_m"; those of infer-quantize, whose file would hold the same bytes. They
                             *   lie in memory, what stays as it is where it is mapped (with no_mmap: in memory too);
                             *   `lock` keeps the latter only. It takes the memory of the result and of one tensor, and
                             *   of a directory it makes names and rows as infer-convert does. No effect with `inspect`;
                             *   NULL = leave them as they are (default). Not kept */
    const char *importance; /**< file of an importance matrix for `quantize`; NULL = none (default). Not kept */
    bool requantize;        /**< `quantize` also what is quantised already, rather than refuse the model: what that
                             *   lost stays lost (default false) */
} infer_model_options;

static inline infer_model_options infer_model_defaults(void)
{
    infer_model_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

/** Open a GGUF file (of split files, any one), or a Hugging Face directory. Unless the options say otherwise, the files
 *  are mapped, not read: opening costs milliseconds and no memory but the vocabulary's. Everything in them is checked
 *  here, so later calls need not.
 *  Directories may hold matrices quantised to FP8 (E4M3; a scale for all, for each row or for blocks), GPTQ (2, 4 or 8
 *  bits) or AWQ (4 bits): these become, in memory, the smallest type that holds them exactly. Other methods are
 *  INFER_E_UNKNOWN.
 *  Files that are mapped have to stay as they are as long as the model is open. One that was cut off is noticed before
 *  each step: INFER_E_IO, and the session is as it was. If that happens within a step, or before a look at tensors or
 *  metadata, the system sends the process SIGBUS, which a library cannot catch for it: where files may be written in
 *  place, read them in (no_mmap). Replacing a file by renaming another one over it is safe. */
INFER_API infer_model *infer_model_open(infer_context *context, const char *path, const infer_model_options *options,
                                        infer_error *err);
/** The same for a GGUF file already in memory, aligned to 32 bytes; data must stay unchanged while the model is
 *  open. */
INFER_API infer_model *infer_model_open_memory(infer_context *context, const void *data, size_t size,
                                               const infer_model_options *options, infer_error *err);
/** The small story model that is compiled into the library. */
INFER_API infer_model *infer_model_open_default(infer_context *context, const infer_model_options *options,
                                                infer_error *err);
/** One more owner; each calls infer_model_close. Returns model. Thread safe. */
INFER_API infer_model *infer_model_retain(infer_model *model);
INFER_API void infer_model_close(infer_model **model);

/** What infer_model_get_info() tells. */
typedef struct infer_model_info {
    size_t size;              /**< in: sizeof(infer_model_info) */
    const char *architecture; /**< "llama", "" if unknown; strings are valid as long as the model */
    const char *name;         /**< general.name, or the file's name */
    const char *format;       /**< "GGUF" or "SafeTensors" */
    const char *quantization; /**< type of most of the weights, "q4_k" */
    int32_t n_vocab;          /**< width of the logits */
    int32_t n_embd;           /**< width of the hidden state */
    int32_t n_layer;          /**< layers */
    int32_t n_head;           /**< heads of attention in a layer */
    int32_t n_head_kv;        /**< of these, heads of keys and values */
    int32_t n_ctx_train; /**< longest context that the model was trained on, tokens */
    bool encoder;        /**< outputs hidden states rather than logits */
    bool runnable;       /**< sessions can be opened; false only for models opened with `inspect` */
    uint64_t n_params;           /**< numbers in all tensors */
    uint64_t bytes;              /**< of all tensors, mapped */
    uint64_t kv_bytes_per_token; /**< of a session's cache at the default type, F16 */
} infer_model_info;
INFER_API void infer_model_get_info(const infer_model *model, infer_model_info *info);
/** Valid as long as the model; NULL if the files hold no vocabulary or one of a kind this version does not know (a log
 *  line at opening says which). */
INFER_API const infer_tokenizer *infer_model_tokenizer(const infer_model *model);

/** Tensors in the order of the file(s). Returns false past the last. Strings are valid as long as the model. */
typedef struct infer_tensor_info {
    size_t size; /**< in: sizeof(infer_tensor_info) */
    const char *name; /**< as in the file */
    const char *type; /**< "q4_k" */
    int n_dims;       /**< 1 to 4 */
    uint64_t dims[4]; /**< first the row's width, as GGUF has it */
    uint64_t bytes;   /**< of data */
    const void *data; /**< as in the file, rows without gaps */
    bool used; /**< bound by the architecture's row */
    const char *made_of; /**< what the checkpoint has in its place: "GPTQ, 4 bits, groups of 128"; NULL = the tensor
                          *   itself. Such a tensor has its place in memory, but no values yet if the model was opened
                          *   with `inspect` */
} infer_tensor_info;
INFER_API bool infer_model_tensor(const infer_model *model, size_t index, infer_tensor_info *info);
/** Metadata entries in the order of the file. *key is terminated; the value is written as JSON text to value, at most
 *  max bytes with terminator; *length receives the size needed without it (long arrays are shortened with "..." when
 *  `brief`). Returns false past the last entry. */
INFER_API bool infer_model_metadata(const infer_model *model, size_t index, bool brief, const char **key, char *value,
                                    size_t max, size_t *length);
/** Check that no block of any tensor has a scale that is not finite: reads the whole model. */
INFER_API infer_status infer_model_verify(const infer_model *model, infer_progress_fn *progress, void *user,
                                          infer_error *err);

/* ---- Model cache ---------------------------------------------------------------------------------------------- */

/** Models by their paths, kept open as long as there is room: a program that serves many asks for one where it needs
 *  it. Any number of threads may use a cache at once. */
typedef struct infer_cache infer_cache;

/** Options of infer_cache_open(). */
typedef struct infer_cache_options {
    size_t size;        /**< sizeof(infer_cache_options) */
    uint64_t max_bytes; /**< of models and what their sessions take: files as far as they are mapped or read in, keys
                         *   and values, work buffers; 0 = no bound (default) */
} infer_cache_options;

static inline infer_cache_options infer_cache_defaults(void)
{
    infer_cache_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

INFER_API infer_cache *infer_cache_open(infer_context *context, const infer_cache_options *options, infer_error *err);
/** Close it while no other thread is in a call on it. Models that are still held stay until they are released, for
 *  which the handle may be used that infer_cache_open() returned; sessions keep their models as ever. */
INFER_API void infer_cache_close(infer_cache **cache);
/** A model, opened now or kept from before; held until infer_cache_release(). Requests at once for what is not there
 *  are one load, which the others wait for. To make room, models are closed that nobody holds, has a session of, or has
 *  pinned, in the order of their last infer_cache_get(). While a model is being opened it may come on top of max_bytes.
 *  @param path as for infer_model_open(). Links are followed when a path is new; one that leads elsewhere later is
 *              noticed when the model has gone. The same files under other names are the same model, but with other options
 *              (inspect, no_mmap, lock, quantize, requantize) another one. With an importance matrix it is not kept:
 *              INFER_E_ARGUMENT.
 *  @return NULL: as infer_model_open() fails, and the next request tries again; INFER_E_FULL if the model does not fit
 *          beside those in use.
 *  @note A model that is there costs some 20 ns if the path is absolute, on any number of threads. */
INFER_API infer_model *infer_cache_get(infer_cache *cache, const char *path, const infer_model_options *options,
                                       infer_error *err);
/** Give back what infer_cache_get() returned; *model becomes NULL. NULL is allowed. */
INFER_API void infer_cache_release(infer_cache *cache, infer_model **model);
/** Keep a model that is held, also when it no longer is; or, with false, no longer. */
INFER_API void infer_cache_pin(infer_cache *cache, infer_model *model, bool pinned);
/** Close models as if max_bytes were this, because their sessions have grown, or to let go of all that are not in use:
 *  0. Returns the bytes that are taken then. */
INFER_API uint64_t infer_cache_trim(infer_cache *cache, uint64_t max_bytes);

/** What infer_cache_get_stats() tells. */
typedef struct infer_cache_stats {
    size_t size;        /**< in: sizeof(infer_cache_stats) */
    uint64_t hits;      /**< requests for models that were there */
    uint64_t misses;    /**< others */
    uint64_t loads;     /**< models opened */
    uint64_t failures;  /**< models that could not be opened, or did not fit */
    uint64_t evictions; /**< models closed to make room */
    uint64_t models;    /**< there now */
    uint64_t held;      /**< of these, how many somebody holds, has a session of or has pinned */
    uint64_t bytes;     /**< taken now */
    uint64_t max_bytes; /**< of the options */
} infer_cache_stats;
INFER_API void infer_cache_get_stats(infer_cache *cache, infer_cache_stats *stats);

/* ---- Listing models ------------------------------------------------------------------------------------------- */

/** Something below a directory. Strings are valid within the callback. */
typedef struct infer_listed {
    size_t size;        /**< sizeof(infer_listed) */
    const char *path;   /**< what infer_model_open() takes: a GGUF file (of split files the first), or a directory */
    const char *format; /**< "GGUF" or "SafeTensors"; NULL if it is no model */
    uint64_t bytes;     /**< of its GGUF or SafeTensors files */
    uint32_t n_files;   /**< such files */
    const char *reason; /**< why it is no model; NULL if it is one */
} infer_listed;

/** Return false to stop. */
typedef bool infer_list_fn(void *user, const infer_listed *found);

/** Options of infer_list_models(). */
typedef struct infer_list_options {
    size_t size;         /**< sizeof(infer_list_options) */
    int32_t max_depth;   /**< directories below the one given, 0..64; default 8 */
    int32_t max_entries; /**< names looked at, in all; default 100000 */
    bool others;         /**< tell of what is no model too, with the reason (default false) */
} infer_list_options;

static inline infer_list_options infer_list_defaults(void)
{
    infer_list_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.max_depth = 8;
    o.max_entries = 100000;
    return o;
}

/** The models in a directory and below it, by their names and first bytes alone: GGUF files, split ones as one, and
 *  Hugging Face directories (config.json beside .safetensors files). In the order of their paths, what stands in a
 *  directory together. Names that begin with a dot are passed over, links followed. Thread safe.
 *  @return INFER_OK; INFER_E_IO if the directory cannot be read, INFER_E_FULL for more than max_entries,
 *          INFER_E_CANCELLED if the callback has stopped it. */
INFER_API infer_status infer_list_models(infer_context *context, const char *directory,
                                         const infer_list_options *options, infer_list_fn *fn, void *user,
                                         infer_error *err);

/* ---- Session -------------------------------------------------------------------------------------------------- */

typedef struct infer_session infer_session;

typedef enum infer_precision {
    INFER_FAST = 0, /**< activations as 8-bit blocks where the weights are quantised, with 15 bits for the logits */
    INFER_EXACT = 1 /**< f32 activations for every type of weight */
} infer_precision;

/** How a session stores keys and values. Values are for ever. Those of 8 and 4 bits are blocks of 32 numbers with a
 *  scale, for heads whose width is a multiple of 32. */
typedef enum infer_kv_type {
    INFER_KV_DEFAULT = 0, /**< F16, and F32 at INFER_EXACT */
    INFER_KV_F32 = 1,
    INFER_KV_F16 = 2,
    INFER_KV_BF16 = 3,
    INFER_KV_Q8_0 = 4, /**< 8.5 bits a number */
    INFER_KV_Q4_0 = 5  /**< 4.5 bits a number */
} infer_kv_type;

/** Options of infer_session_open(). */
typedef struct infer_session_options {
    size_t size;               /**< sizeof(infer_session_options) */
    int32_t n_ctx;             /**< most tokens the session can hold; 0 = the smaller of what the model was trained on
                                *   and 4096 (default). A model with a learned vector for each position can hold no more
                                *   than it has, an encoder no more than 16384. A model that rotates otherwise in long
                                *   contexts than in short ones (longrope) does so if more are asked for than its
                                *   short ones have */
    int32_t n_batch;           /**< most tokens computed at once, 1..4096; 0 = 512 (default). More costs memory, not
                                    accuracy. Of an encoder, whose tokens see each other, it is n_ctx in any case */
    infer_precision precision; /**< INFER_FAST (default) */
    infer_kv_type kv_type_k;   /**< of keys; INFER_KV_DEFAULT (default). Types that do not fit the heads are refused */
    infer_kv_type kv_type_v;   /**< of values; INFER_KV_DEFAULT (default). DeepSeek 2 and 3 keep one latent vector for
                                *   keys and values, of which kv_type_k is the type */
    bool deterministic;        /**< a token's logits have the same bits whatever else is computed with it: other
                                *   tokens of a prompt, other sessions of a batch, a shared prefix or a fork. Costs speed
                                *   where many tokens are computed at once. Without it they differ by rounding (default
                                *   false) */
} infer_session_options;

static inline infer_session_options infer_session_defaults(void)
{
    infer_session_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

INFER_API infer_session *infer_session_open(infer_model *model, const infer_session_options *options, infer_error *err);
INFER_API void infer_session_close(infer_session **session);
/** A session that goes on from the same tokens, with the same logits, for another thread or another continuation. It
 *  costs next to nothing: tokens and cache are shared, and pages of the cache (64 tokens) are copied when one of the
 *  sessions appends to them. So the first evaluation after a fork takes memory. Work buffers stay shared: forks that
 *  compute on several threads at once take turns.
 *  @param session not used by another thread during the call. */
INFER_API infer_session *infer_session_fork(const infer_session *session, infer_error *err);

/** Append tokens and compute the logits that follow the last of them.
 *  @param tokens n ids in [0, n_vocab), n may be 0. Not kept after the call.
 *  @return INFER_OK; INFER_E_FULL, INFER_E_CANCELLED, INFER_E_NOMEM or INFER_E_ARGUMENT with the session as it was
 *          before. An encoder computes a text at once: tokens after some that are there already are
 *          INFER_E_ARGUMENT.
 *  @note The weights are read once for n_batch tokens, so feed a prompt in one call.
 *  @note Results do not depend on the number of threads. */
INFER_API infer_status infer_session_eval(infer_session *session, const int32_t *tokens, size_t n, infer_error *err);
/** As eval, and write the output of every token to out, which the caller owns: logits (n, n_vocab), or for an encoder
 *  its final hidden states (n, n_embd), rows without gaps. */
INFER_API infer_status infer_session_eval_all(infer_session *session, const int32_t *tokens, size_t n, float *out,
                                              infer_error *err);
/** A session's part of a batch. */
typedef struct infer_batch_item {
    infer_session *session; /**< of the same model as the others */
    const int32_t *tokens; /**< n_tokens ids in [0, n_vocab) to be appended, not kept; may be NULL if there are none:
                            *   those that wait are computed then, as by infer_session_eval() */
    size_t n_tokens;       /**< may be 0 */
    infer_status status;   /**< out: of this session */
} infer_batch_item;

/** Append tokens to n sessions of one model and compute the logits that follow the last of each. The weights are read
 *  once for the tokens of all sessions, up to n_batch of the first one, so this is many times as fast as one by one.
 *  Sessions may differ in n_ctx and n_batch, but not in precision, `deterministic` or cache types. Those that will be
 *  batched are best made by infer_session_fork() from one of them: then they have one set of work buffers together.
 *  @param items No session twice. None is used by another thread during the call, but infer_session_cancel() is allowed:
 *         that one's item is INFER_E_CANCELLED, the others go on.
 *  @return INFER_OK if all items are; INFER_E_ARGUMENT or INFER_E_FULL with nothing changed; else the status of the
 *          first item that failed. Each session whose item failed is as it was before. */
INFER_API infer_status infer_batch_eval(infer_batch_item *items, size_t n, infer_error *err);
/** Logits after the last token, n_vocab floats, valid until the next call on the session; NULL if there are none (an
 *  encoder; no token yet; rewound, until a token is evaluated; or infer_generate appended the last token, which
 *  infer_session_eval of 0 tokens computes). */
INFER_API const float *infer_session_logits(const infer_session *session);
/** Forget all tokens but the first n_keep, a cheap operation. n_keep above the length is INFER_E_ARGUMENT.
 *  @note Layers with a sliding window keep no more of the cache than the window and 64 tokens. After a rewind by more
 *        than 64 tokens in a model that has such layers, the next evaluation computes the tokens that were kept anew.
 *        */
INFER_API infer_status infer_session_rewind(infer_session *session, size_t n_keep, infer_error *err);
/** Make the session's timeline these n tokens, and compute the logits that follow the last of them, by the least work:
 *  what the session has in common with them is kept, and of the rest, page by page (64 tokens), what any session of the
 *  model has computed for the same beginning that was synced or closed since (with the same precision, `deterministic` and
 *  cache types). With `deterministic` the logits have the same bits as if all was computed, else they differ by rounding.
 *  @param tokens n ids; may be the session's own. n 0: forget all.
 *  @param n_computed how many tokens had to be computed; may be NULL.
 *  @return INFER_OK; INFER_E_FULL or INFER_E_ARGUMENT with the session as it was before; other failures leave it with
 *          tokens that are a beginning of both. */
INFER_API infer_status infer_session_sync(infer_session *session, const int32_t *tokens, size_t n, size_t *n_computed,
                                          infer_error *err);
/** Pages that infer_session_sync() may find stay when their sessions are closed: those used last, up to so many bytes for
 *  each choice of cache types (default 256 MB). 0: none are kept or found. Thread safe. */
INFER_API void infer_model_set_prefix_bytes(infer_model *model, uint64_t bytes);
/** Make room in a full context: forget n_forget tokens behind the first n_keep, and compute those after them anew, for
 *  what the cache holds of a token depends on all before it. (Moving it by rotating the keys would be cheaper, but is what
 *  no model was trained on: it would go on with traces of what was forgotten.) The library never does this by itself.
 *  @return as infer_session_eval(); after a failure the session has its first n_keep tokens. INFER_E_ARGUMENT if there are
 *          fewer tokens, with nothing changed. */
INFER_API infer_status infer_session_shift(infer_session *session, size_t n_keep, size_t n_forget, infer_error *err);
INFER_API size_t infer_session_length(const infer_session *session);
INFER_API size_t infer_session_capacity(const infer_session *session);
INFER_API const int32_t *infer_session_tokens(const infer_session *session); /**< infer_session_length() ids */
INFER_API size_t infer_session_bytes(const infer_session *session); /**< memory taken: cache and work buffers */

/** What infer_session_get_info() tells. */
typedef struct infer_session_info {
    size_t size;                 /**< in: sizeof(infer_session_info) */
    infer_kv_type kv_type_k;     /**< never INFER_KV_DEFAULT */
    infer_kv_type kv_type_v;     /**< never INFER_KV_DEFAULT */
    uint64_t kv_bytes;           /**< of the cache as it is now, with what is shared; it grows by 64 tokens at a time */
    uint64_t kv_bytes_per_token; /**< at the types of this session */
} infer_session_info;
INFER_API void infer_session_get_info(const infer_session *session, infer_session_info *info);
/** Bytes of the cache of a session with these options once it has evaluated n_tokens in one call: infer_session_info's
 *  kv_bytes then will be exactly this. Pages are taken from the allocator some at a time, for all sessions of a model
 *  and cache types together: 128 KB for each layer and KV head, in which other sessions' pages have room too. What is
 *  empty goes back, but for one such piece (two in a model of which some layers have a window).
 *  @return 0 with err filled if the options are refused or n_tokens do not fit n_ctx; 0 for 0 tokens. */
INFER_API uint64_t infer_kv_bytes(const infer_model *model, const infer_session_options *options, size_t n_tokens,
                                  infer_error *err);
/** Make a running or the next eval or generate return INFER_E_CANCELLED soon. May be called from any thread and from a
 *  signal handler. */
INFER_API void infer_session_cancel(infer_session *session);

/** Write the session to a file: its tokens, what its cache holds of them, its logits if there are any. Of layers with
 *  a sliding window that is what the window sees, and a little more. Tokens that wait are saved as such; work buffers
 *  and options are not. The file is written beside `path`, brought to the disk and then renamed, so that `path` is at
 *  any moment the old file or the new one, whole. Only its user may read it. It has infer_session_info's kv_bytes and 4
 *  bytes for each token and logit, little-endian.
 *  @return INFER_OK; INFER_E_IO or INFER_E_NOMEM with `path` as it was. */
INFER_API infer_status infer_session_save(const infer_session *session, const char *path, infer_error *err);
/** Become what was saved: tokens, cache and logits, instead of what the session has. What follows has the same bits as
 *  if the session had not been saved, with the same options and instruction set; n_ctx need only have room (but bits
 *  of a `deterministic` session follow from its n_ctx too).
 *  Everything is checked before the session changes: checksums of header and contents find damage, sizes are held
 *  against the file's and the session's, and what the cache was made with has to be alike: cache types, precision,
 *  `deterministic`, and the model, known by a hash of its architecture's numbers, of the role, type and shape of every
 *  tensor, and of 2 KB of each one's data, which is made once for a model. Checksums are against accidents: a file made
 *  up by somebody cannot do harm, but can make the model say anything.
 *  @return INFER_OK; INFER_E_IO; INFER_E_FORMAT if the file is damaged or no saved session; INFER_E_UNKNOWN if it is of
 *          another version of the format; INFER_E_ARGUMENT if it is of another model or other options; INFER_E_FULL if
 *          the session has no room for it; INFER_E_NOMEM. After a failure the session is as it was. */
INFER_API infer_status infer_session_load(infer_session *session, const char *path, infer_error *err);
/** As infer_session_save(), to memory.
 *  @param data room for max bytes; nothing is written if that is not enough. May be NULL if max is 0.
 *  @param size receives how many bytes there are, also when that is more than max. */
INFER_API infer_status infer_session_save_bytes(const infer_session *session, void *data, size_t max, size_t *size,
                                                infer_error *err);
/** As infer_session_load(), from `size` bytes of memory, which are not kept. */
INFER_API infer_status infer_session_load_bytes(infer_session *session, const void *data, size_t size,
                                                infer_error *err);

/* ---- Grammars ------------------------------------------------------------------------------------------------- */

typedef struct infer_grammar infer_grammar;
typedef struct infer_matcher infer_matcher;

/** What a grammar is written in. Values are for ever. */
typedef enum infer_notation {
    INFER_GBNF = 0,        /**< llama.cpp's: rules `name ::= ...`, of which `root` is the whole */
    INFER_JSON_SCHEMA = 1, /**< JSON that a schema (draft 2020-12, and what is left of older ones) holds for. Properties
                            *   come in the schema's order, then any others, which there are only if
                            *   additionalProperties says so or no property is named. oneOf is taken as anyOf, a format
                            *   that is not known as a comment. What a grammar cannot say (uniqueItems ...) is
                            *   refused */
    INFER_REGEX = 2        /**< a regular expression that the whole text matches: characters, classes, groups, | * + ?
                            *   {m,n}, \\d \\w \\s, \\p{..}, and at the start (?=..) and (?!..) */
} infer_notation;

/** Options of all that compiles a grammar. */
typedef struct infer_grammar_options {
    size_t size;                 /**< sizeof(infer_grammar_options) */
    const char *const *triggers; /**< n_triggers texts (terminated): any text is allowed until one of these comes, and
                                  *   the grammar begins after it; NULL = it begins at once (default). A control token
                                  *   of this name is a trigger too; the others are allowed as long as text is free */
    size_t n_triggers;           /**< at most 64 */
} infer_grammar_options;

static inline infer_grammar_options infer_grammar_defaults(void)
{
    infer_grammar_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

/** Compile a grammar. The text may be from a stranger: what is left-recursive, matches nothing, or would become too
 *  large or too slow is refused.
 *  @param text length bytes, not kept. */
INFER_API infer_grammar *infer_grammar_open(infer_context *context, infer_notation notation, const char *text,
                                            size_t length, const infer_grammar_options *options, infer_error *err);
/** Any one of n texts (terminated). */
INFER_API infer_grammar *infer_grammar_open_choices(infer_context *context, const char *const *choices, size_t n,
                                                    const infer_grammar_options *options, infer_error *err);

/** A function that a model may call. */
typedef struct infer_tool {
    const char *name;       /**< terminated */
    const char *parameters; /**< JSON Schema of its arguments (terminated); NULL = any object */
} infer_tool;

/** How calls are written. */
typedef struct infer_tools_options {
    size_t size;                   /**< sizeof(infer_tools_options) */
    const char *begin;             /**< a call is: begin, the tool's name as it is, middle, the arguments, end. */
    const char *middle;            /**< These strings are by default those of {"name": "NAME", "arguments": {...}} */
    const char *end;               /**< after the arguments */
    const char *between;           /**< between two calls; NULL = there is one call only (default) */
    infer_grammar_options grammar; /**< triggers */
    void (*on_bad)(void *user, size_t index, const infer_error *why); /**< a tool was left out; NULL = in silence
                                                                       *   (default) */
    void *user;                    /**< handed to on_bad */
} infer_tools_options;

static inline infer_tools_options infer_tools_defaults(void)
{
    infer_tools_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.begin = "{\"name\": \"";
    o.middle = "\", \"arguments\": ";
    o.end = "}";
    o.grammar = infer_grammar_defaults();
    return o;
}

/** Calls of any of n tools. A tool whose schema is refused is reported and left out; if none is left, that is an
 *  error. */
INFER_API infer_grammar *infer_grammar_open_tools(infer_context *context, const infer_tool *tools, size_t n,
                                                  const infer_tools_options *options, infer_error *err);
/** One more owner; each calls infer_grammar_close. Returns grammar. Thread safe. */
INFER_API infer_grammar *infer_grammar_retain(infer_grammar *grammar);
/** A grammar keeps masks for the tokenizers that it was used with, which are closed after it. */
INFER_API void infer_grammar_close(infer_grammar **grammar);

/** Begin a text. Retains the grammar.
 *  @param tokenizer of the tokens that will be accepted, outlives the grammar; NULL if it will only be text. */
INFER_API infer_matcher *infer_matcher_open(infer_grammar *grammar, const infer_tokenizer *tokenizer, infer_error *err);
/** A matcher that goes on from the same place, for another thread or another try. It cannot rewind to before that. */
INFER_API infer_matcher *infer_matcher_fork(const infer_matcher *matcher, infer_error *err);
INFER_API void infer_matcher_close(infer_matcher **matcher);
/** Go on with bytes, which may end within a character.
 *  @return INFER_OK; INFER_E_ARGUMENT if the grammar does not allow them, INFER_E_FULL if the text has too many
 *          readings at once, INFER_E_NOMEM: the matcher is where it was. */
INFER_API infer_status infer_matcher_accept_text(infer_matcher *matcher, const char *text, size_t length,
                                                 infer_error *err);
/** Go on with a token. One that ends a text is accepted where the grammar may end, and changes nothing. */
INFER_API infer_status infer_matcher_accept(infer_matcher *matcher, int32_t id, infer_error *err);
/** Whether infer_matcher_accept would take the token. */
INFER_API bool infer_matcher_allows(infer_matcher *matcher, int32_t id);
/** The text so far is whole. */
INFER_API bool infer_matcher_may_end(const infer_matcher *matcher);
/** Nothing can follow the text but its end. */
INFER_API bool infer_matcher_must_end(const infer_matcher *matcher);
/** How many calls of accept and accept_text lie behind. */
INFER_API size_t infer_matcher_length(const infer_matcher *matcher);
/** Forget all of these calls but the first n_keep, a cheap operation. n_keep above the length is INFER_E_ARGUMENT. */
INFER_API infer_status infer_matcher_rewind(infer_matcher *matcher, size_t n_keep, infer_error *err);
/** Which tokens can come next: bit id % 32 of word id / 32, those that end a text where the grammar may end. n_words is
 *  at least infer_tokenizer_size() / 32, rounded up; words past that are zeroed.
 *  @note The first mask of a place costs up to milliseconds, which all matchers of the grammar profit from. */
INFER_API infer_status infer_matcher_mask(infer_matcher *matcher, uint32_t *bits, size_t n_words, infer_error *err);
/* ---- Embeddings ----------------------------------------------------------------------------------------------- */

/** Makes vectors and scores of whole texts, by an encoder (BERT ...) or by the hidden states of any other model. Used
 *  by one thread at a time; many texts of one call are computed together, by all threads of the context. */
typedef struct infer_embedder infer_embedder;

/** How the vectors of a text's tokens become one. Values are for ever. */
typedef enum infer_pooling {
    INFER_POOLING_DEFAULT = 0, /**< what the model says (GGUF's pooling_type, sentence-transformers' 1_Pooling); where
                                *   it says nothing: none if it projects the vectors of tokens (ColBERT), else the mean
                                *   of an encoder's, the last of others */
    INFER_POOLING_NONE = 1,    /**< they do not: infer_embed_tokens() */
    INFER_POOLING_MEAN = 2,
    INFER_POOLING_CLS = 3,     /**< the first token's */
    INFER_POOLING_LAST = 4     /**< the last token's */
} infer_pooling;

/** Options of infer_embedder_open(). */
typedef struct infer_embedder_options {
    size_t size;               /**< sizeof(infer_embedder_options) */
    infer_pooling pooling;     /**< INFER_POOLING_DEFAULT (default) */
    int32_t dimensions;        /**< keep the first so many numbers of a vector, before it is normalised; 0 = all
                                *   (default) */
    bool normalize;            /**< vectors get length 1 (default true) */
    bool truncate;             /**< texts of more than n_ctx tokens are cut at their end, else refused (default
                                *   false) */
    int32_t n_ctx;             /**< most tokens of a text, with those put around it; 0 = what the model was made for:
                                *   max_seq_length of sentence-transformers, else all its positions (default) */
    infer_precision precision; /**< INFER_FAST (default) */
} infer_embedder_options;

static inline infer_embedder_options infer_embedder_defaults(void)
{
    infer_embedder_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.normalize = true;
    return o;
}

/** A text, or ids of one. */
typedef struct infer_input {
    const char *text;   /**< UTF-8, length bytes; names of control tokens in it become these tokens; NULL = ids count */
    size_t length;      /**< bytes */
    const int32_t *ids; /**< n_ids in [0, n_vocab), as they are: nothing is put around them */
    size_t n_ids;       /**< counts where text is NULL */
} infer_input;

/** INFER_E_UNKNOWN if the model makes vectors in a way that this version does not know, such as a further layer of
 *  sentence-transformers. */
INFER_API infer_embedder *infer_embedder_open(infer_model *model, const infer_embedder_options *options,
                                              infer_error *err);
INFER_API void infer_embedder_close(infer_embedder **embedder);

/** What infer_embedder_get_info() tells. */
typedef struct infer_embedder_info {
    size_t size;          /**< in: sizeof(infer_embedder_info) */
    infer_pooling pooling; /**< never INFER_POOLING_DEFAULT */
    int32_t dimensions;   /**< of a text's vector */
    int32_t token_dimensions; /**< of a token's vector */
    int32_t n_ctx;        /**< most tokens of a text */
    bool reranks;         /**< infer_rerank() can be called */
} infer_embedder_info;
INFER_API void infer_embedder_get_info(const infer_embedder *embedder, infer_embedder_info *info);

/** A vector for each text.
 *  @param out (n, dimensions), owned by the caller; unspecified after an error.
 *  @return INFER_OK; INFER_E_ARGUMENT for a text that is too long or has no token, or if there is no pooling;
 *          INFER_E_NOMEM, INFER_E_CANCELLED.
 *  @note Results do not depend on the number of threads. With which others a text is computed changes no more than
 *        rounding. */
INFER_API infer_status infer_embed(infer_embedder *embedder, const infer_input *texts, size_t n, float *out,
                                   infer_error *err);
/** A vector for each token of each text, as ColBERT compares them: infer_maxsim().
 *  @param out   (first[n], token_dimensions), or NULL to fill only `first`.
 *  @param max   Rows of out; less than first[n] is INFER_E_ARGUMENT.
 *  @param first n + 1 numbers: text i has the rows first[i] to first[i + 1]. */
INFER_API infer_status infer_embed_tokens(infer_embedder *embedder, const infer_input *texts, size_t n, float *out,
                                          size_t max, size_t *first, infer_error *err);
/** How well each of n documents answers the query, by a model that was trained to score pairs (a cross-encoder): the
 *  score as it comes out of the model, larger is better. Its sigmoid is what some call the relevance.
 *  The model's tokens for the start, the end and between are put around the two, ids or texts. With `truncate` the
 *  longer of the two is cut, then both.
 *  @param scores n floats.
 *  @return as infer_embed; INFER_E_ARGUMENT too if the model has no head for one score. */
INFER_API infer_status infer_rerank(infer_embedder *embedder, const infer_input *query, const infer_input *documents,
                                    size_t n, float *scores, infer_error *err);
/** ColBERT's late interaction (arXiv 2004.12832): of each token of the query the largest product with a token of the
 *  document, summed over the query's tokens. Thread safe.
 *  @param query     (n_query, dimensions)
 *  @param documents (first[n], dimensions), the tokens of document i from row first[i] on, as infer_embed_tokens() has
 *                   them. The score of a document without tokens is 0.
 *  @param scores    n floats. */
INFER_API infer_status infer_maxsim(infer_context *context, size_t dimensions, const float *query, size_t n_query,
                                    const float *documents, const size_t *first, size_t n, float *scores,
                                    infer_error *err);
/** Make a running or the next call on the embedder return INFER_E_CANCELLED soon. From any thread. */
INFER_API void infer_embedder_cancel(infer_embedder *embedder);

/* ---- Sampler -------------------------------------------------------------------------------------------------- */

typedef struct infer_sampler infer_sampler;

/** What a sampler does with the logits, one stage after the other. Each stage sees what the one before it has left, and
 *  leaves at least one token. Probabilities are those of the tokens that are left. Values are for ever. */
typedef enum infer_sampler_stage {
    INFER_STAGE_PENALTIES = 0,   /**< repeat_penalty, frequency_penalty, presence_penalty */
    INFER_STAGE_DRY = 1,         /**< dry_* */
    INFER_STAGE_TOP_N_SIGMA = 2, /**< top_n_sigma */
    INFER_STAGE_TOP_K = 3,       /**< top_k */
    INFER_STAGE_TYPICAL = 4,     /**< typical_p */
    INFER_STAGE_TOP_P = 5,       /**< top_p */
    INFER_STAGE_MIN_P = 6,       /**< min_p */
    INFER_STAGE_XTC = 7,         /**< xtc_* */
    INFER_STAGE_TEMPERATURE = 8  /**< temperature, dynatemp_* */
} infer_sampler_stage;
/** llama.cpp's name of a stage, "top_k"; NULL past the last. */
INFER_API const char *infer_sampler_stage_name(infer_sampler_stage stage);

/** A logit that is changed before all stages; -INFINITY: the token is never chosen. */
typedef struct infer_logit_bias {
    int32_t id; /**< of the token */
    float bias; /**< added */
} infer_logit_bias;

/** Options of infer_sampler_open(). */
typedef struct infer_sampler_options {
    size_t size;             /**< sizeof(infer_sampler_options) */
    uint64_t seed;           /**< same seed, same logits: same tokens (default 0) */
    float temperature;       /**< divides the logits that are left; 0 = always the most likely token; default 0.8 */
    int32_t top_k;           /**< keep the k most likely tokens; 0 = all; default 40 */
    float top_p;             /**< keep the fewest tokens whose probabilities sum to p, 0..1; 1 = all; default 0.95 */
    float min_p;             /**< keep tokens at least min_p times as likely as the best, 0..1; 0 = all; default 0.05 */
    float repeat_penalty;    /**< divides positive and multiplies negative logits of recent tokens; 1 = off (default) */
    int32_t repeat_last_n;   /**< how many tokens count as recent; 0 = none, -1 = all since the sampler was made or
                              *   reset; default 64 */
    float frequency_penalty; /**< taken off once per occurrence among the recent tokens; default 0 */
    float presence_penalty;  /**< taken off once if among the recent tokens; default 0 */
    float typical_p;         /**< locally typical sampling (arXiv 2202.00666): keep the fewest tokens that sum to p,
                              *   those first whose information is next to the entropy; 0..1; 1 = all (default) */
    float top_n_sigma;       /**< keep logits at most n standard deviations below the largest (arXiv 2411.07641);
                              *   0 = all (default) */
    float xtc_probability;   /**< how often the most likely tokens are left out, all but the last one that is at least
                              *   xtc_threshold likely; 0..1; 0 = never (default) */
    float xtc_threshold;     /**< 0..1; above 0.5 there are no two such; default 0.1 */
    float dynatemp_range;    /**< the temperature goes from temperature - range to temperature + range with the entropy;
                              *   0 = it is the same always (default) */
    float dynatemp_exponent; /**< of the entropy's share of the largest there can be; default 1 */
    float dry_multiplier;    /**< a token that would go on with a repetition of n >= dry_allowed_length tokens loses
                              *   dry_multiplier * dry_base ^ (n - dry_allowed_length); 0 = off (default) */
    float dry_base;          /**< default 1.75 */
    int32_t dry_allowed_length; /**< default 2 */
    int32_t dry_last_n;      /**< how many tokens are searched for repetitions; 0 = none, -1 = all
                              *   since the sampler was made or reset (default) */
    int32_t mirostat;        /**< 1 or 2: that version (arXiv 2007.14966), which cuts after all stages;
                              *   unless `stages` says otherwise, temperature is the only one then. 0 = off (default) */
    float mirostat_tau;      /**< the surprise aimed at, bits; default 5 */
    float mirostat_eta;      /**< learning rate; default 0.1 */
    const infer_sampler_stage *stages; /**< n_stages of them, in the order wanted, at most 32; those that are not listed
                              *   are not done. NULL = penalties, dry, top_n_sigma, top_k, typical, top_p, min_p, xtc,
                              *   temperature, as llama.cpp has them (default). Not kept */
    size_t n_stages; /**< counts where stages is not NULL */
    const infer_logit_bias *biases; /**< n_biases of them; NULL = none (default). Not kept */
    size_t n_biases; /**< 0 = none (default) */
} infer_sampler_options;

static inline infer_sampler_options infer_sampler_defaults(void)
{
    infer_sampler_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.temperature = 0.8f;
    o.top_k = 40;
    o.top_p = 0.95f;
    o.min_p = 0.05f;
    o.repeat_penalty = 1.0f;
    o.repeat_last_n = 64;
    o.typical_p = 1.0f;
    o.xtc_threshold = 0.1f;
    o.dynatemp_exponent = 1.0f;
    o.dry_base = 1.75f;
    o.dry_allowed_length = 2;
    o.dry_last_n = -1;
    o.mirostat_tau = 5.0f;
    o.mirostat_eta = 0.1f;
    return o;
}

INFER_API infer_sampler *infer_sampler_open(infer_context *context, const infer_sampler_options *options,
                                            infer_error *err);
INFER_API void infer_sampler_close(infer_sampler **sampler);
/** Choose a token from n_vocab logits, which are left unchanged: biases, the stages, then one of the tokens that are
 *  left is drawn. Logits that are not finite are never chosen. Equal logits: the lower id comes first. Where one token
 *  is left no random number is taken. The arithmetic is the same on every machine: same options and logits, same
 *  tokens.
 *  @return the id, or -1 if no logit is finite or memory is out.
 *  @note Memory over the vocabulary is taken at the first call, and when n_vocab grows, where anything but penalties
 *        comes before a top-k of 1 to 1024. */
INFER_API int32_t infer_sampler_sample(infer_sampler *sampler, const float *logits, int32_t n_vocab);
/** Count a token as recent, for the penalties: those of the prompt and those that were sampled. With a grammar, which
 *  is about what was sampled alone, count those of the prompt before it is set. */
INFER_API void infer_sampler_accept(infer_sampler *sampler, int32_t id);
/** Forget the recent tokens, start the random numbers anew from the seed, and begin the grammar anew. */
INFER_API void infer_sampler_reset(infer_sampler *sampler);
/** Texts over which DRY's repetitions do not go: they begin anew after each. llama.cpp has newline, colon, quotation
 *  mark and asterisk.
 *  @param texts n of them, terminated, copied, at most 4096 bytes in all; n = 0: none any more.
 *  @param tokenizer whose ids are sampled; outlives the sampler. */
INFER_API infer_status infer_sampler_set_dry_breakers(infer_sampler *sampler, const infer_tokenizer *tokenizer,
                                                      const char *const *texts, size_t n, infer_error *err);
/** Texts that never come up in what is sampled, in whatever tokens: one that would complete such a text is not chosen.
 *  Parameters as those of infer_sampler_set_dry_breakers(). */
INFER_API infer_status infer_sampler_set_banned(infer_sampler *sampler, const infer_tokenizer *tokenizer,
                                                const char *const *texts, size_t n, infer_error *err);
/** Let only tokens be chosen that a grammar allows next, those that end a text only where it may end. That comes before
 *  all other stages: top-k keeps the k most likely tokens of these, and the probabilities of what is left add up to
 *  one. A token that infer_sampler_accept is given and that the grammar does not allow makes infer_sampler_sample
 *  return -1 until the sampler is reset.
 *  @param grammar retained; begins anew. NULL: none any more.
 *  @param tokenizer whose ids are sampled; outlives the grammar. */
INFER_API infer_status infer_sampler_set_grammar(infer_sampler *sampler, infer_grammar *grammar,
                                                 const infer_tokenizer *tokenizer, infer_error *err);
/** Where the sampler's text is in its grammar: the sampler's own, valid until the grammar is set again; NULL without
 *  one. */
INFER_API infer_matcher *infer_sampler_matcher(infer_sampler *sampler);

/* ---- Log-probabilities ---------------------------------------------------------------------------------------- */

/** A token and the natural logarithm of its probability as the model has it: soft-max of all logits, before any
 *  stage of a sampler. */
typedef struct infer_logprob {
    int32_t id;    /**< of the token */
    float logprob; /**< at most 0 */
} infer_logprob;

enum { INFER_MAX_TOP = 256 };

/** The log-probability of a token, and the most likely ones. Thread safe; takes no memory.
 *  @param logits  n_vocab of them; those that are not finite have no share.
 *  @param logprob of token id; -INFINITY if its logit is not finite.
 *  @param top     room for n_top, at most INFER_MAX_TOP: the most likely first, of equal ones the lower id; where
 *                 there are not so many, id is -1. May be NULL if n_top is 0. */
INFER_API infer_status infer_logprobs(const float *logits, int32_t n_vocab, int32_t id, float *logprob,
                                      infer_logprob *top, size_t n_top, infer_error *err);
/** As infer_session_eval(), and tell how likely each of the tokens was after those before it: what an echo of a prompt
 *  shows.
 *  @param logprobs n of them; NAN for the first token of a session.
 *  @param top      (n, n_top) most likely ones at the place of each token, rows as infer_logprobs() fills them; id is
 *                  -1 at the first token of a session. May be NULL if n_top is 0.
 *  @return as infer_session_eval(); after an error the session is as it was. */
INFER_API infer_status infer_session_logprobs(infer_session *session, const int32_t *tokens, size_t n, float *logprobs,
                                              infer_logprob *top, size_t n_top, infer_error *err);

/* ---- Generation ----------------------------------------------------------------------------------------------- */

/** Receives text as it comes, whole UTF-8 characters. Return false to stop. */
typedef bool infer_text_fn(void *user, const char *text, size_t length);
/** Receives an answer in parts, as they come. Return false to stop. */
typedef bool infer_part_fn(void *user, infer_chat_part part, const char *text, size_t length);
/** Receives the message that an answer is: JSON as infer_chat_parse() makes it. */
typedef void infer_message_fn(void *user, const char *json, size_t length);

/** Receives each token that is chosen, before its text: the one that ends a text too.
 *  @param top n_top most likely tokens at its place. */
typedef void infer_token_fn(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top);

typedef enum infer_stop_reason {
    INFER_STOP_LENGTH = 0,  /**< n_predict tokens were generated */
    INFER_STOP_END = 1,     /**< the model ended its text */
    INFER_STOP_STRING = 2,  /**< a stop string came up; it is not part of the text */
    INFER_STOP_FULL = 3,    /**< the session's context is full */
    INFER_STOP_CALLBACK = 4, /**< the callback returned false */
    INFER_STOP_GRAMMAR = 5, /**< nothing but its end can follow in the sampler's grammar */
    INFER_STOP_ERROR = 6    /**< a failure or a cancellation, which the status tells */
} infer_stop_reason;

/** Options of infer_generate() and its kind. */
/** What generation does when the session's context is full and more text is wanted. A prompt that does not fit is
 *  INFER_E_FULL in any case. */
typedef enum infer_full {
    INFER_FULL_STOP = 0,  /**< it ends, with INFER_STOP_FULL (default) */
    INFER_FULL_ERROR = 1, /**< it fails, with INFER_E_FULL */
    INFER_FULL_SHIFT = 2  /**< half of the tokens behind the first n_full_keep are forgotten, the rest is computed anew:
                           *   infer_session_shift() */
} infer_full;

/** How to generate. */
typedef struct infer_generate_options {
    size_t size;              /**< sizeof(infer_generate_options) */
    int32_t n_predict;        /**< most tokens to generate; -1 = until the model ends or the context is full
                               *   (default) */
    bool ignore_end;          /**< tokens that end a text are never chosen */
    bool unparse_special;     /**< control tokens are written by name */
    bool raw_prompt;          /**< the prompt is plain text: no special tokens added, none parsed */
    const char *const *stops; /**< n_stops strings (terminated) that end generation */
    size_t n_stops;           /**< 0 = none (default) */
    infer_text_fn *on_text;   /**< NULL = text is only counted */
    void *user;               /**< handed to all callbacks here */
    infer_progress_fn *on_prompt; /**< progress of evaluating the prompt, NULL = none */
    infer_part_fn *on_part;       /**< of an answer: content, reasoning and calls, told apart; on_text gets the content
                                   *   alone. NULL = none (default) */
    infer_message_fn *on_message; /**< of an answer, at its end: all of it, also where it was stopped or failed. NULL =
                                   *   none (default) */
    infer_token_fn *on_token;     /**< log-probabilities of the tokens chosen; NULL = none (default) */
    size_t n_top;                 /**< alternatives that on_token gets, at most INFER_MAX_TOP (default 0) */
    infer_full on_full;           /**< INFER_FULL_STOP (default) */
    size_t n_full_keep;           /**< tokens of the session that are never forgotten (default 0) */
} infer_generate_options;

static inline infer_generate_options infer_generate_defaults(void)
{
    infer_generate_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.n_predict = -1;
    return o;
}

/** What a generation has done. */
typedef struct infer_generate_result {
    size_t size; /**< in: sizeof(infer_generate_result) */
    infer_stop_reason reason;  /**< why it ended */
    size_t n_prompt;           /**< prompt tokens evaluated */
    size_t n_generated;        /**< tokens generated, the one that ended the text not counted */
    double prompt_seconds;     /**< evaluating the prompt */
    double generate_seconds;   /**< from then on */
    double first_token_seconds; /**< from the beginning of the call to the first token; 0 if there is none */
    double token_p50;          /**< seconds from one token to the next: half of them took no longer, */
    double token_p95;          /**< 95 of 100, */
    double token_p99;          /**< 99 of 100; 0 while there are fewer than two tokens */
    double queue_seconds;      /**< waiting for a scheduler; 0 without one */
    size_t n_cached;           /**< further tokens of the prompt, not evaluated: the session or another one had them */
    size_t n_reasoning;        /**< of the tokens generated: those of reasoning */
    size_t n_calls;            /**< calls of tools in the answer */
} infer_generate_result;

/** Append a prompt to the session, then generate.
 *  A prompt that opens the session gets what the model expects at the start (BOS); the next one goes on where the
 *  session stands, so that calls with the lines of a conversation make one text. An empty prompt evaluates nothing but
 *  BOS in an empty session. The sampler counts the tokens of the prompt and those generated as recent.
 *  Every token generated becomes part of the session's tokens, also those of a stop string, but not the one that ended
 *  the text. The last one is computed when something follows it.
 *  Text that may be the beginning of a stop string is held back until that is clear.
 *  If the sampler has a grammar, it begins anew after each prompt that is not empty, and ends the text where nothing
 *  but the end can follow.
 *  @param prompt length bytes; may be NULL if length is 0.
 *  @param result may be NULL. Filled on failure too, as far as it went.
 *  @return INFER_OK; INFER_E_FULL with the session unchanged if the prompt does not fit; INFER_E_CANCELLED with the
 *          session holding what was evaluated (n_prompt tokens of the prompt): to undo, rewind to the length before;
 *          other failures before the prompt is evaluated leave the session unchanged. */
INFER_API infer_status infer_generate(infer_session *session, infer_sampler *sampler, const char *prompt, size_t length,
                                      const infer_generate_options *options, infer_generate_result *result,
                                      infer_error *err);

/** The same text, fetched instead of received: each call of infer_generation_next() computes as far as the next piece.
 *  Used by one thread at a time, as its session and its sampler, which outlive it. */
typedef struct infer_generation infer_generation;

/** A part of a text that is fetched. */
typedef struct infer_piece {
    size_t size;          /**< in: sizeof(infer_piece) */
    infer_chat_part part; /**< INFER_CHAT_CONTENT, unless it is of an answer */
    const char *text;     /**< length bytes and a terminator, whole UTF-8 characters, valid until the next call on the
                           *   generation; NULL: the text is at its end */
    size_t length;        /**< bytes, without the terminator */
} infer_piece;

/** Begin a generation: as infer_generate(), but nothing is computed yet, and on_text is not called.
 *  @param options the stop strings stay as they are until the generation is closed; the rest is not kept.
 *  @return NULL where infer_generate() fails with the session unchanged. */
INFER_API infer_generation *infer_generation_open(infer_session *session, infer_sampler *sampler, const char *prompt,
                                                  size_t length, const infer_generate_options *options,
                                                  infer_error *err);
/** The next piece. The first call evaluates the prompt. Between calls the session is left as it is; one of another
 *  length is INFER_E_ARGUMENT. infer_session_cancel() ends the text: what was held back still comes, then
 *  INFER_E_CANCELLED.
 *  @return INFER_OK with a piece or, at the end, without; a failure is the end too, and told again by further calls. */
INFER_API infer_status infer_generation_next(infer_generation *generation, infer_piece *piece, infer_error *err);
/** What has been done so far. The reason counts at the end only. */
INFER_API void infer_generation_get_result(infer_generation *generation, infer_generate_result *result);
/** Close, at any time: the session keeps what was generated. */
INFER_API void infer_generation_close(infer_generation **generation);

/* ---- Conversations -------------------------------------------------------------------------------------------- */

/** How a model is talked with: its chat template, the tools it may call, what its answers are held to. Constant once
 *  open, used by any number of threads, sessions and turns; keeps its model alive. */
typedef struct infer_chat infer_chat;

/** Who decides whether tools are called. Values are for ever. */
typedef enum infer_tool_choice {
    INFER_TOOL_AUTO = 0,    /**< the model (default) */
    INFER_TOOL_NONE = 1,    /**< none is offered to it */
    INFER_TOOL_REQUIRED = 2 /**< the answer is a call, or several */
} infer_tool_choice;

/** What infer_chat_open() makes a conversation of. */
typedef struct infer_chat_setup {
    size_t size;                   /**< sizeof(infer_chat_setup) */
    const char *chat_template;     /**< Jinja source (terminated); NULL = the model's, else "chatml" (default) */
    const char *template_name;     /**< a template by its infer_chat_template_name(), or else a file of Jinja; counts
                                    *   more than chat_template. NULL = none (default) */
    const char *format;            /**< of answers, an infer_chat_format_name(); NULL = the template's (default) */
    const char *variables;         /**< as in infer_chat_options */
    const char *tools;             /**< JSON array of functions: [{"type": "function", "function": {"name": ...,
                                    *   "parameters": a JSON Schema}}]; NULL = none (default) */
    infer_tool_choice tool_choice; /**< INFER_TOOL_AUTO (default) */
    const char *tool_name;         /**< calls are held to be of this tool; NULL = of any (default) */
    bool single_call;              /**< a call is held to be the only one (default false) */
    infer_grammar *response;       /**< what the content of answers is held to: a JSON Schema, choices ... Retained; not
                                    *   lazy. NULL = free (default) */
    int32_t reasoning_budget;      /**< most tokens of reasoning; then the mark that ends it is forced. -1 = no limit
                                    *   (default) */
    int64_t now;                   /**< as in infer_chat_options */
} infer_chat_setup;

static inline infer_chat_setup infer_chat_setup_defaults(void)
{
    infer_chat_setup o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.reasoning_budget = -1;
    return o;
}

/** Compile template and tools. Nothing of the setup is kept but the response's grammar.
 *  Where the model chooses, calls are held to their schemas from their first mark on; docs/chat.md says in which
 *  formats. A call that is required is held to its schema in every format: in those that a grammar cannot write it
 *  comes as the format "json" has it. A tool whose schema is refused as a grammar is left out of it, which a log line tells.
 *  Reasoning before the answer is free. */
INFER_API infer_chat *infer_chat_open(infer_model *model, const infer_chat_setup *setup, infer_error *err);
INFER_API void infer_chat_close(infer_chat **chat);
/** Name of the format in which the model's answers are read. */
INFER_API const char *infer_chat_format(const infer_chat *chat);

/** Answer a conversation: write it by the template, evaluate what no session holds of it already (as
 *  infer_session_sync() does), generate, and tell the parts of the answer apart. What the session holds after the common
 *  beginning is forgotten. The next turn is a call with the message of this one (on_message) and more after it.
 *  Stop strings are looked for in all that the model writes, its reasoning included. raw_prompt and unparse_special
 *  mean nothing here. A grammar of the sampler's own holds from the first token on, unless the conversation has a
 *  response or tools to hold it to; then the sampler is without a grammar afterwards.
 *  @param messages JSON array as for infer_chat_render(), n bytes.
 *  @return as infer_generate(), of which this is a kind; INFER_E_FULL if the whole conversation does not fit. */
INFER_API infer_status infer_generate_chat(infer_chat *chat, infer_session *session, infer_sampler *sampler,
                                           const char *messages, size_t n, const infer_generate_options *options,
                                           infer_generate_result *result, infer_error *err);
/** The same, fetched with infer_generation_next(): a call comes as two pieces, its name and its arguments. */
INFER_API infer_generation *infer_generation_open_chat(infer_chat *chat, infer_session *session, infer_sampler *sampler,
                                                       const char *messages, size_t n,
                                                       const infer_generate_options *options, infer_error *err);
/** The message that the answer is so far: JSON, *length bytes (length may be NULL), valid until the next call on the
 *  generation. NULL where memory is out, and of a text that answers nothing. */
INFER_API const char *infer_generation_message(infer_generation *generation, size_t *length, infer_error *err);

#ifdef __cplusplus
}
#endif
#endif
