/* infer-text.c - what the library does with text, for other programs: one JSON request a line in, one answer out.
 *
 * An operation is a row of a table: its name, the member that names its file, and what it does. */
#include "infer.h"
#include "tools/common/options.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Files that requests name: the last few stay open ---- */

enum { KEPT = 8 };
struct kept {
    char *path;
    infer_tokenizer *tokenizer;
    uint64_t used; /* number of the request */
};

struct worker {
    infer_context *context;
    struct kept kept[KEPT];
    uint64_t n_requests;
    infer_error err; /* why the request failed */
};

static void forget(struct kept *k)
{
    infer_tokenizer_close(&k->tokenizer);
    free(k->path);
    *k = (struct kept){ NULL, NULL, 0 };
}

static const infer_tokenizer *tokenizer_of(struct worker *w, const char *path)
{
    struct kept *oldest = &w->kept[0];
    for (size_t i = 0; i < KEPT; i++) {
        struct kept *k = &w->kept[i];
        if (k->path && !strcmp(k->path, path)) {
            k->used = w->n_requests;
            return k->tokenizer;
        }
        oldest = k->used < oldest->used ? k : oldest;
    }
    forget(oldest);
    oldest->tokenizer = infer_tokenizer_open(w->context, path, &w->err);
    oldest->path = oldest->tokenizer ? strdup(path) : NULL;
    if (!oldest->path) {
        forget(oldest);
        return NULL;
    }
    oldest->used = w->n_requests;
    return oldest->tokenizer;
}

/* ---- Members of requests and answers ---- */

static json_t *refuse(struct worker *w, const char *format, const char *what)
{
    w->err.code = INFER_E_ARGUMENT;
    snprintf(w->err.message, sizeof w->err.message, format, what);
    return NULL;
}

static unsigned flag(const json_t *request, const char *key, bool absent, unsigned value)
{
    const json_t *member = json_object_get(request, key);
    return (member ? json_is_true(member) : absent) ? value : 0;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 'a' - 'A' : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* "text", or bytes as "text_hex". The caller frees it. */
static char *text_of(struct worker *w, const json_t *request, size_t *length)
{
    const json_t *text = json_object_get(request, "text"), *hex = json_object_get(request, "text_hex");
    const char *from = json_string_value(hex ? hex : text);
    const size_t n = json_string_length(hex ? hex : text);
    char *out = from ? malloc(n + 1) : NULL;
    if (!out) {
        refuse(w, "%s", from ? "out of memory" : "there is neither \"text\" nor \"text_hex\", or it is no string");
        return NULL;
    }
    *length = hex ? n / 2 : n;
    if (!hex)
        memcpy(out, from, n);
    bool good = !hex || n % 2 == 0;
    for (size_t i = 0; hex && good && i < *length; i++) {
        const int high = hex_digit(from[2 * i]), low = hex_digit(from[2 * i + 1]);
        good = high >= 0 && low >= 0;
        out[i] = (char)(high << 4 | low);
    }
    if (!good) {
        refuse(w, "%s", "\"text_hex\" is no even number of hexadecimal digits");
        free(out);
        return NULL;
    }
    return out;
}

static json_t *text_answer(const char *text, size_t length)
{
    json_t *string = json_stringn(text, length); /* NULL for what is not UTF-8 */
    if (string)
        return json_pack("{so}", "text", string);
    char *hex = malloc(2 * length + 1);
    for (size_t i = 0; hex && i < length; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)text[i]);
    json_t *answer = hex ? json_pack("{ss}", "text_hex", hex) : NULL;
    free(hex);
    return answer;
}

/* ---- Operations ---- */

static json_t *encode(struct worker *w, const infer_tokenizer *t, const json_t *request, unsigned flags)
{
    size_t length = 0, n = 0, room;
    char *text = text_of(w, request, &length);
    if (!text)
        return NULL;
    int32_t *ids = malloc((room = length + 16) * sizeof *ids);
    infer_status status = ids ? infer_tokenizer_encode(t, text, length, flags, ids, room, &n, &w->err) : INFER_E_NOMEM;
    if (!status && n > room) {
        free(ids);
        ids = malloc((room = n) * sizeof *ids);
        status = ids ? infer_tokenizer_encode(t, text, length, flags, ids, room, &n, &w->err) : INFER_E_NOMEM;
    }
    json_t *array = status ? NULL : json_array();
    for (size_t i = 0; array && i < n; i++)
        json_array_append_new(array, json_integer(ids[i]));
    free(ids);
    free(text);
    return array ? json_pack("{so}", "ids", array) : NULL;
}

static json_t *decode(struct worker *w, const infer_tokenizer *t, const json_t *request, unsigned flags)
{
    const json_t *array = json_object_get(request, "ids");
    const size_t n = json_array_size(array);
    size_t length = 0;
    if (!json_is_array(array))
        return refuse(w, "%s", "\"ids\" is no array");
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < n; i++) {
        const json_int_t id = json_integer_value(json_array_get(array, i));
        ids[i] = json_is_integer(json_array_get(array, i)) && id >= 0 && id <= INT32_MAX ? (int32_t)id : -1;
    }
    infer_status status = ids ? infer_tokenizer_decode(t, ids, n, flags, NULL, 0, &length, &w->err) : INFER_E_NOMEM;
    char *text = status ? NULL : malloc(length + 1);
    if (text)
        status = infer_tokenizer_decode(t, ids, n, flags, text, length, &length, &w->err);
    json_t *answer = text && !status ? text_answer(text, length) : NULL;
    free(text);
    free(ids);
    return answer;
}

typedef json_t *operation_fn(struct worker *w, const infer_tokenizer *t, const json_t *request);

static json_t *tokenize(struct worker *w, const infer_tokenizer *t, const json_t *request)
{
    return encode(w, t, request, flag(request, "add_special", false, INFER_ADD_SPECIAL) |
                                     flag(request, "parse_special", false, INFER_PARSE_SPECIAL));
}

static json_t *detokenize(struct worker *w, const infer_tokenizer *t, const json_t *request)
{
    return decode(w, t, request, flag(request, "remove_special", false, INFER_REMOVE_SPECIAL) |
                                     flag(request, "unparse_special", false, INFER_UNPARSE_SPECIAL));
}

static json_t *hf_encode(struct worker *w, const infer_tokenizer *t, const json_t *request)
{
    return encode(w, t, request, INFER_PARSE_SPECIAL | flag(request, "add_special_tokens", true, INFER_ADD_SPECIAL));
}

static json_t *hf_decode(struct worker *w, const infer_tokenizer *t, const json_t *request)
{
    return decode(w, t, request, flag(request, "skip_special_tokens", true, 1) ? 0 : INFER_UNPARSE_SPECIAL);
}

/* Seconds to "2026-01-02T03:04:05", on a clock of no time zone; 0 (the system's time) for what is none. */
static int64_t time_of(const json_t *now)
{
    struct tm t = { .tm_mday = 0 };
    const char *end = json_is_string(now) ? strptime(json_string_value(now), "%Y-%m-%dT%H:%M:%S", &t) : NULL;
    return end ? (int64_t)timegm(&t) : 0;
}

static json_t *write_template(struct worker *w, const json_t *request, const json_t *messages, infer_chat_options *o)
{
    const json_t *source = json_object_get(request, "template");
    if (!json_is_string(source))
        return refuse(w, "%s", "\"template\" is no string");
    o->now = time_of(json_object_get(request, "now"));
    infer_chat_template *chat = infer_chat_template_open(w->context, json_string_value(source),
                                                         json_string_length(source), &w->err);
    char *conversation = messages ? json_dumps(messages, JSON_ENCODE_ANY) : NULL, *text = malloc(1 << 16);
    const size_t n = conversation ? strlen(conversation) : 0;
    size_t room = text ? 1 << 16 : 0, length = 0;
    infer_status status = !chat || !text || (messages && !conversation)
                              ? INFER_E_NOMEM
                              : infer_chat_render(chat, conversation, n, o, text, room, &length, &w->err);
    if (!status && length > room) {
        free(text);
        text = malloc(room = length);
        status = text ? infer_chat_render(chat, conversation, n, o, text, room, &length, &w->err) : INFER_E_NOMEM;
    }
    json_t *answer = status ? NULL : text_answer(text, length);
    free(text);
    free(conversation);
    infer_chat_template_close(&chat);
    return answer;
}

static json_t *render(struct worker *w, const infer_tokenizer *t, const json_t *request)
{
    (void)t;
    infer_chat_options o = infer_chat_defaults();
    const json_t *messages = json_object_get(request, "messages"), *tools = json_object_get(request, "tools");
    json_t *variables = json_object();
    for (size_t i = 0; i < 2; i++) {
        static const char *const names[] = { "bos_token", "eos_token" };
        json_object_set(variables, names[i], json_object_get(request, names[i])); /* nothing, if it is not there */
    }
    json_object_update(variables, json_object_get(request, "extra"));
    char *tools_text = json_is_null(tools) || !tools ? NULL : json_dumps(tools, JSON_ENCODE_ANY);
    char *variables_text = json_dumps(variables, 0);
    o.tools = tools_text;
    o.variables = variables_text;
    o.no_generation_prompt = !flag(request, "add_generation_prompt", false, 1);
    json_t *answer = json_is_array(messages) ? write_template(w, request, messages, &o)
                                             : refuse(w, "%s", "\"messages\" is no array");
    free(tools_text);
    free(variables_text);
    json_decref(variables);
    return answer;
}

static json_t *jinja(struct worker *w, const infer_tokenizer *t, const json_t *request)
{
    (void)t;
    infer_chat_options o = infer_chat_defaults();
    char *variables = json_dumps(json_object_get(request, "vars"), 0);
    o.variables = variables;
    json_t *answer = write_template(w, request, NULL, &o);
    free(variables);
    return answer;
}

static json_t *parse(struct worker *w, const infer_tokenizer *t, const json_t *request)
{
    (void)t;
    infer_chat_parser_options o = infer_chat_parser_defaults();
    const json_t *tools = json_object_get(request, "tools");
    size_t length = 0, needed = 0;
    char *text = text_of(w, request, &length), *tools_text = tools ? json_dumps(tools, JSON_ENCODE_ANY) : NULL;
    if (!text)
        return free(tools_text), NULL;
    o.format = json_string_value(json_object_get(request, "format"));
    o.chat_template = json_string_value(json_object_get(request, "template"));
    o.prompt = json_string_value(json_object_get(request, "prompt"));
    o.tools = tools_text;
    infer_status status = infer_chat_parse(w->context, &o, text, length, NULL, 0, &needed, &w->err);
    char *message = status ? NULL : malloc(needed + 1);
    if (message)
        status = infer_chat_parse(w->context, &o, text, length, message, needed, &needed, &w->err);
    json_t *json = message && !status ? json_loadb(message, needed, JSON_ALLOW_NUL, NULL) : NULL;
    free(message);
    free(tools_text);
    free(text);
    return json ? json_pack("{so}", "message", json) : NULL;
}

/* ---- Grammars ---- */

/* How a text fares, byte by byte: whether it is whole, and whether something can make it so. */
static json_t *match(struct worker *w, infer_grammar *grammar, const json_t *request, bool alive_too)
{
    size_t length = 0;
    char *text = grammar ? text_of(w, request, &length) : NULL;
    infer_matcher *m = text ? infer_matcher_open(grammar, NULL, &w->err) : NULL;
    json_t *answer = NULL;
    if (m) {
        const infer_status status = infer_matcher_accept_text(m, text, length, &w->err);
        const bool alive = status == INFER_OK, whole = alive && infer_matcher_may_end(m);
        if (alive || status == INFER_E_ARGUMENT)
            answer = alive_too ? json_pack("{sbsb}", "match", whole, "alive", alive)
                               : json_pack("{sb}", "match", whole);
    }
    infer_matcher_close(&m);
    infer_grammar_close(&grammar);
    free(text);
    return answer;
}

static json_t *grammar(struct worker *w, const infer_tokenizer *t, const json_t *request)
{
    (void)t;
    const json_t *source = json_object_get(request, "grammar");
    if (!json_is_string(source))
        return refuse(w, "%s", "\"grammar\" is no string");
    infer_grammar *g = infer_grammar_open(w->context, INFER_GBNF, json_string_value(source),
                                          json_string_length(source), NULL, &w->err);
    return match(w, g, request, true);
}

static json_t *schema(struct worker *w, const infer_tokenizer *t, const json_t *request)
{
    (void)t;
    char *text = json_dumps(json_object_get(request, "schema"), JSON_ENCODE_ANY | JSON_COMPACT);
    if (!text)
        return refuse(w, "%s", "\"schema\" is not there");
    infer_grammar *g = infer_grammar_open(w->context, INFER_JSON_SCHEMA, text, strlen(text), NULL, &w->err);
    free(text);
    return match(w, g, request, false);
}

static const struct operation {
    const char *name, *file; /* the member that names the tokenizer; NULL: it needs none */
    operation_fn *run;
} operations[] = {
    { "tokenize", "vocab", tokenize },
    { "detokenize", "vocab", detokenize },
    { "hf_encode", "tokenizer", hf_encode },
    { "hf_decode", "tokenizer", hf_decode },
    { "render", NULL, render },
    { "jinja", NULL, jinja },
    { "parse", NULL, parse },
    { "grammar", NULL, grammar },
    { "schema", NULL, schema },
};

/* ---- Requests ---- */

static json_t *run(struct worker *w, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "op"));
    const struct operation *op = NULL;
    for (size_t i = 0; name && i < sizeof operations / sizeof *operations && !op; i++)
        op = strcmp(operations[i].name, name) ? NULL : &operations[i];
    if (!op)
        return refuse(w, "there is no operation \"%.64s\"; --help lists them", name ? name : "");
    if (!op->file)
        return op->run(w, NULL, request);
    const char *path = json_string_value(json_object_get(request, op->file));
    if (!path)
        return refuse(w, "\"%s\" names no file", op->file);
    const infer_tokenizer *t = tokenizer_of(w, path);
    return t ? op->run(w, t, request) : NULL;
}

static void answer(struct worker *w, const char *line, size_t length)
{
    json_error_t why;
    json_t *request = json_loadb(line, length, JSON_ALLOW_NUL, &why), *result = NULL;
    w->n_requests++;
    w->err = (infer_error){ INFER_E_NOMEM, "out of memory" };
    if (request)
        result = run(w, request);
    else
        refuse(w, "the request is no JSON object: %.200s", why.text);
    if (!result)
        result = json_pack("{ss}", "error", w->err.message);
    if (!result || json_dumpf(result, stdout, JSON_COMPACT))
        fputs("{\"error\":\"out of memory\"}", stdout);
    putchar('\n');
    fflush(stdout);
    json_decref(result);
    json_decref(request);
}

static bool answer_all(struct worker *w, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&line, &room, file)) > 0) {
        if (strspn(line, " \t\r\n") < (size_t)n)
            answer(w, line, (size_t)n);
    }
    free(line);
    return !ferror(file) && !ferror(stdout);
}

int main(int argc, char **argv)
{
    static const struct opt rows[] = { { OPT_GROUP, .help = "Options" }, OPT_STANDARD };
    enum { MOST = 64 };
    const char *files[MOST + 1] = { NULL };
    const struct command command = {
        .name = "infer-text",
        .about = "answer requests about text: one JSON object a line in, one a line out, in order",
        .usage = "[options] [FILE ...]",
        .examples = "  echo '{\"op\":\"tokenize\",\"vocab\":\"model.gguf\",\"text\":\"Hello\",\"add_special\":true}' | "
                    "infer-text\n",
        .notes =
            "Requests and their answers, read from the files or from standard input:\n"
            "  {\"op\":\"tokenize\",\"vocab\":FILE,\"text\":T,\"add_special\":B,\"parse_special\":B}     "
            "{\"ids\":[...]}\n"
            "  {\"op\":\"detokenize\",\"vocab\":FILE,\"ids\":[...],\"remove_special\":B,\"unparse_special\":B}\n"
            "                                                                            {\"text\":T}\n"
            "  {\"op\":\"hf_encode\",\"tokenizer\":FILE,\"text\":T,\"add_special_tokens\":B}         {\"ids\":[...]}\n"
            "  {\"op\":\"hf_decode\",\"tokenizer\":FILE,\"ids\":[...],\"skip_special_tokens\":B}     {\"text\":T}\n"
            "  {\"op\":\"render\",\"template\":JINJA,\"messages\":[...],\"tools\":[...],\"add_generation_prompt\":B,\n"
            "   \"bos_token\":T,\"eos_token\":T,\"extra\":{...},\"now\":\"2026-01-02T03:04:05\"}       {\"text\":T}\n"
            "  {\"op\":\"jinja\",\"template\":JINJA,\"vars\":{...},\"now\":TIME}                 {\"text\":T}\n"
            "  {\"op\":\"parse\",\"text\":T,\"template\":JINJA or \"format\":NAME,\"tools\":[...],\"prompt\":T}\n"
            "                                                                            {\"message\":{...}}\n"
            "  {\"op\":\"grammar\",\"grammar\":GBNF,\"text\":T}                       {\"match\":B,\"alive\":B}\n"
            "  {\"op\":\"schema\",\"schema\":{...},\"text\":T}                         {\"match\":B}\n"
            "FILE is a GGUF file, a directory or a tokenizer.json. Text that is not UTF-8 goes as \"text_hex\", both "
            "ways.\n"
            "A request that fails is answered {\"error\":SENTENCE}, and the next one is read.\n"
            "\n"
            "Exit codes: 0 all read, whatever the answers; 1 a file could not be read or the output not be written;\n"
            "2 wrong usage.\n",
        .rows = rows,
        .n_rows = sizeof rows / sizeof *rows,
        .operands = files,
        .max_operands = MOST,
    };
    const enum options_result parsed = options_parse(&command, argc, argv);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_DONE ? 0 : EXIT_USAGE;

    struct worker w = { .context = NULL };
    infer_context_options options = infer_context_defaults();
    options.n_threads = 1;
    w.context = infer_context_open(&options, &w.err);
    if (!w.context) {
        fprintf(stderr, "infer-text: %s\n", w.err.message);
        return 1;
    }
    bool good = files[0] || answer_all(&w, stdin);
    for (size_t i = 0; files[i] && good; i++) {
        FILE *file = strcmp(files[i], "-") ? fopen(files[i], "rb") : stdin;
        if (!file || !answer_all(&w, file)) {
            perror(files[i]);
            good = false;
        }
        if (file && file != stdin)
            fclose(file);
    }
    for (size_t i = 0; i < KEPT; i++)
        forget(&w.kept[i]);
    infer_context_close(&w.context);
    return good ? 0 : 1;
}
