/* infer-inspect - what is in a model: its architecture, metadata, tensors, and the memory it needs. */
#include "infer.h"

#include "tools/common/failure.h"
#include "tools/common/options.h"
#include "tools/common/program.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    const char *model[1];
    bool json, verify, full;
} o;

static const struct opt rows[] = {
    { OPT_GROUP, .help = "Options" },
    { OPT_FLAG, "--json", NULL, "one JSON object instead of text", &o.json, 0, 0 },
    { OPT_FLAG, "--verify", NULL, "fail unless the model can be run and no block of any tensor has a scale that is not "
                                  "finite; reads the whole file", &o.verify, 0, 0 },
    { OPT_FLAG, "--full", NULL, "long lists and texts of the metadata uncut", &o.full, 0, 0 },
    OPT_STANDARD,
};

static const struct command command = {
    .name = "infer-inspect",
    .about = "what is in a model file",
    .usage = "MODEL [--json] [--verify] [--full]",
    .examples = "  infer-inspect model.gguf\n"
                "  infer-inspect model/ --verify && echo sound\n"
                "  infer-inspect model.gguf --json | jq '.tensors[] | select(.type == \"f32\") | .name'\n",
    .notes = "MODEL is a GGUF file (of split files, any one) or a Hugging Face directory.\n"
             "A file that is sound but cannot be run (a vocabulary alone, an unknown\n"
             "architecture) is shown with the reason.\n\n"
             "Exit codes: 0 done, 1 not sound, or --verify failed, 2 wrong usage.\n",
    .rows = rows,
    .n_rows = sizeof rows / sizeof *rows,
    .operands = o.model,
    .min_operands = 1,
    .max_operands = 1,
};

struct report {
    const infer_model *model;
    const infer_tokenizer *tokenizer; /* NULL if there is none */
    bool unmade;                      /* its weights are of another form in the file */
    infer_model_info info;
    infer_error load;   /* why it cannot be run; code INFER_OK if it can */
    infer_error verify; /* what --verify found */
    size_t n_ctx;       /* tokens that a session holds by default */
    uint64_t work;      /* bytes that it takes besides its cache */
};

/* ---- Reading ---- */

static bool has_tensors(const infer_model *model)
{
    infer_tensor_info first = { .size = sizeof first };
    return infer_model_tensor(model, 0, &first);
}

/* Weights that have yet to be made of another form: no session is opened then. */
static bool is_unmade(const infer_model *model)
{
    infer_tensor_info t = { .size = sizeof t };
    infer_model_info info = { .size = sizeof info };
    bool unmade = false;
    for (size_t i = 0; !unmade && infer_model_tensor(model, i, &t); i++)
        unmade = t.made_of != NULL;
    infer_model_get_info(model, &info);
    return unmade && info.runnable;
}

/* Open what can be run, else what is at least sound: of a kind that is not known, or a vocabulary alone. Why it cannot
 * be run goes to `load`. Nothing is made only to be looked at. */
static infer_model *open_model(infer_context *context, const char *path, infer_error *load, infer_error *err)
{
    infer_model_options options = infer_model_defaults();
    options.inspect = true;
    infer_model *model = infer_model_open(context, path, &options, err);
    if (!model || is_unmade(model))
        return model;
    infer_model_close(&model);
    model = infer_model_open(context, path, NULL, load);
    if (model)
        return model;
    model = infer_model_open(context, path, &options, err);
    if (model && !has_tensors(model)) {
        failure(load, INFER_E_UNKNOWN, "%s: holds no tensors", path);
    } else if (model && load->code != INFER_E_UNKNOWN) {
        *err = *load;
        infer_model_close(&model);
    }
    return model;
}

/* A session takes memory for its cache only as it fills up, so what a new one has is the rest. */
static infer_status measure_session(struct report *r, infer_model *model, infer_error *err)
{
    if (!r->info.runnable || r->unmade)
        return INFER_OK;
    infer_session *session = infer_session_open(model, NULL, err);
    if (!session)
        return err->code;
    r->n_ctx = infer_session_capacity(session);
    r->work = infer_session_bytes(session);
    infer_session_close(&session);
    return INFER_OK;
}

static infer_status read_report(struct report *r, infer_model *model, infer_error *err)
{
    r->model = model;
    r->tokenizer = infer_model_tokenizer(model);
    r->unmade = is_unmade(model);
    r->info.size = sizeof r->info;
    infer_model_get_info(model, &r->info);
    if (o.verify && r->load.code == INFER_OK)
        infer_model_verify(model, NULL, NULL, &r->verify);
    else if (o.verify)
        r->verify = r->load;
    return measure_session(r, model, err);
}

/* Entry i of the metadata as JSON text, for free(); NULL past the last. */
static char *metadata(const infer_model *model, size_t i, const char **key)
{
    size_t n;
    if (!infer_model_metadata(model, i, !o.full, key, NULL, 0, &n))
        return NULL;
    char *value = malloc(n + 1);
    if (value)
        infer_model_metadata(model, i, !o.full, key, value, n + 1, &n);
    return value;
}

static bool tensor(const infer_model *model, size_t i, infer_tensor_info *t)
{
    t->size = sizeof *t;
    return infer_model_tensor(model, i, t);
}

/* ---- Text ---- */

static void print_architecture(const struct report *r)
{
    const infer_model_info *m = &r->info;
    printf("%s\n\n  format          %s, most weights %s\n", m->name, m->format, m->quantization);
    printf("  architecture    %s%s\n", *m->architecture ? m->architecture : "unknown",
           m->encoder ? ", an encoder" : "");
    printf("  parameters      %llu\n", (unsigned long long)m->n_params);
    if (m->runnable) {
        printf("  layers          %d\n", m->n_layer);
        printf("  width           %d\n", m->n_embd);
        printf("  heads           %d, %d of keys and values\n", m->n_head, m->n_head_kv);
        printf("  vocabulary      %d\n", m->n_vocab);
        printf("  context         %d tokens\n", m->n_ctx_train);
    }
    if (r->tokenizer)
        printf("  tokenizer       %d tokens, begin %d, end %d%s\n", infer_tokenizer_size(r->tokenizer),
               infer_tokenizer_bos(r->tokenizer), infer_tokenizer_eos(r->tokenizer),
               infer_tokenizer_chat_template(r->tokenizer) ? ", with a chat template" : "");
    else
        printf("  tokenizer       none\n");
    if (!m->runnable)
        printf("  cannot be run   %s\n", r->load.message);
}

static void print_memory(const struct report *r)
{
    const double per_token = (double)r->info.kv_bytes_per_token;
    printf("\nMemory\n  weights         %s, %s\n", human_bytes((double)r->info.bytes),
           r->unmade ? "made of the file's other form when it is opened" : "used where they lie in the file");
    if (!r->info.runnable)
        return;
    printf("  cache           %s a token\n", human_bytes(per_token));
    if (r->unmade)
        return;
    printf("                  %s at %zu tokens, a session's default\n",
           human_bytes(per_token * (double)r->n_ctx), r->n_ctx);
    printf("                  %s at %d tokens, the longest it was trained on\n",
           human_bytes(per_token * r->info.n_ctx_train), r->info.n_ctx_train);
    printf("  work buffers    %s a session\n", human_bytes((double)r->work));
}

static void print_metadata(const struct report *r)
{
    enum { CUT = 100 };
    const char *key;
    char *value;
    printf("\nMetadata\n");
    for (size_t i = 0; (value = metadata(r->model, i, &key)); i++) {
        const size_t n = strlen(value);
        size_t shown = o.full || n <= CUT ? n : CUT;
        while (shown < n && (value[shown] & 0xc0) == 0x80) /* no character is cut in two */
            shown++;
        printf("  %-48s %.*s%s\n", key, (int)shown, value, shown < n ? "..." : "");
        free(value);
    }
}

static void print_tensors(const struct report *r)
{
    infer_tensor_info t;
    size_t n = 0;
    while (tensor(r->model, n, &t))
        n++;
    printf("\nTensors: %zu\n", n);
    for (size_t i = 0; tensor(r->model, i, &t); i++) {
        char shape[96] = "";
        for (int d = 0, at = 0; d < t.n_dims; d++)
            at += snprintf(shape + at, sizeof shape - (size_t)at, "%s%llu", d ? " x " : "",
                           (unsigned long long)t.dims[d]);
        printf("  %-48s %-8s %-20s %14llu bytes%s%s%s\n", t.name, t.type, shape, (unsigned long long)t.bytes,
               t.made_of ? ", made of " : "", t.made_of ? t.made_of : "", r->info.runnable && !t.used ? ", not used" : "");
    }
}

static void print_text(const struct report *r)
{
    print_architecture(r);
    print_memory(r);
    print_metadata(r);
    print_tensors(r);
    if (o.verify && r->verify.code == INFER_OK)
        printf("\nVerified: it can be run, and all scales are finite.\n");
}

/* ---- JSON ---- */

/* Text as a JSON string. Files may hold bytes that are no UTF-8: these become U+FFFD. */
static json_t *json_text(const char *text)
{
    json_t *json = json_string(text);
    if (json)
        return json;
    const size_t n = strlen(text);
    char *clean = malloc(3 * n + 1), *at = clean;
    for (size_t i = 0; clean && i < n;) {
        size_t whole = n - i < 4 ? n - i : 4;
        while (whole && !(json = json_stringn(text + i, whole)))
            whole--;
        json_decref(json);
        memcpy(at, whole ? text + i : "\xef\xbf\xbd", whole ? whole : 3);
        at += whole ? whole : 3;
        i += whole ? whole : 1;
    }
    json = clean ? json_stringn(clean, (size_t)(at - clean)) : NULL;
    free(clean);
    return json;
}

/* JSON text as a value. What jansson does not take (numbers beyond 63 bits, bytes that are no UTF-8) stays text. */
static json_t *json_value(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    return json ? json : json_text(text);
}

/* The pairs of `part`, which is used up, become part of `json`. */
static void join(json_t *json, json_t *part)
{
    json_object_update(json, part);
    json_decref(part);
}

static json_t *json_metadata(const struct report *r)
{
    json_t *all = json_object();
    const char *key;
    char *value;
    for (size_t i = 0; (value = metadata(r->model, i, &key)); i++) {
        json_object_set_new(all, key, json_value(value));
        free(value);
    }
    return all;
}

static json_t *json_tensors(const struct report *r)
{
    json_t *all = json_array();
    infer_tensor_info t;
    for (size_t i = 0; tensor(r->model, i, &t); i++) {
        json_t *shape = json_array();
        for (int d = 0; d < t.n_dims; d++)
            json_array_append_new(shape, json_integer((json_int_t)t.dims[d]));
        json_t *one = json_pack("{s:o, s:s, s:o, s:I, s:b}", "name", json_text(t.name), "type", t.type, "shape", shape,
                                "bytes", (json_int_t)t.bytes, "used", (int)t.used);
        if (t.made_of)
            json_object_set_new(one, "made_of", json_text(t.made_of));
        json_array_append_new(all, one);
    }
    return all;
}

static json_t *json_tokenizer(const struct report *r)
{
    const infer_tokenizer *t = r->tokenizer;
    if (!t)
        return json_null();
    return json_pack("{s:i, s:i, s:i, s:b}", "size", infer_tokenizer_size(t), "bos", infer_tokenizer_bos(t), "eos",
                     infer_tokenizer_eos(t), "chat_template", infer_tokenizer_chat_template(t) != NULL);
}

static json_t *json_memory(const struct report *r)
{
    const json_int_t per_token = (json_int_t)r->info.kv_bytes_per_token, n_ctx = (json_int_t)r->n_ctx;
    json_t *memory = json_pack("{s:I}", "weights", (json_int_t)r->info.bytes);
    if (r->info.runnable)
        join(memory, json_pack("{s:I, s:I, s:I, s:I, s:I}", "cache_per_token", per_token, "default_context", n_ctx,
                               "cache_at_default_context", per_token * n_ctx, "cache_at_full_context",
                               per_token * r->info.n_ctx_train, "work_buffers", (json_int_t)r->work));
    return memory;
}

static void print_json(const struct report *r)
{
    const infer_model_info *m = &r->info;
    json_t *json = json_pack("{s:o, s:s, s:s, s:s, s:I, s:b}", "name", json_text(m->name), "format", m->format,
                             "architecture", m->architecture, "quantization", m->quantization, "parameters",
                             (json_int_t)m->n_params, "runnable", (int)m->runnable);
    if (m->runnable)
        join(json, json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:b}", "layers", m->n_layer, "width", m->n_embd, "heads",
                             m->n_head, "heads_kv", m->n_head_kv, "vocabulary", m->n_vocab, "context", m->n_ctx_train,
                             "encoder", (int)m->encoder));
    else
        json_object_set_new(json, "reason", json_text(r->load.message));
    if (o.verify)
        json_object_set_new(json, "verified", json_boolean(r->verify.code == INFER_OK));
    json_object_set_new(json, "tokenizer", json_tokenizer(r));
    json_object_set_new(json, "memory", json_memory(r));
    json_object_set_new(json, "metadata", json_metadata(r));
    json_object_set_new(json, "tensors", json_tensors(r));
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

int main(int argc, char **argv)
{
    const enum options_result parsed = options_parse(&command, argc, argv);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_DONE ? 0 : EXIT_USAGE;

    infer_error err = { 0 };
    infer_model *model = NULL;
    struct report r = { 0 };
    infer_context *context = program_context(0, 0, &err);
    if (context)
        model = open_model(context, o.model[0], &r.load, &err);
    const bool read = model && read_report(&r, model, &err) == INFER_OK;
    if (read)
        (o.json ? print_json : print_text)(&r);
    infer_model_close(&model);
    infer_context_close(&context);
    if (!read)
        return report_failure(command.name, &err);
    return r.verify.code == INFER_OK ? 0 : report_failure(command.name, &r.verify);
}
