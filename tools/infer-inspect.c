/* infer-inspect - what is in a model: its architecture, metadata, tensors, and the memory it needs. */
#include "infer.h"

#include "tools/common/failure.h"
#include "tools/common/inspect.h"
#include "tools/common/options.h"
#include "tools/common/program.h"

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
    struct inspected in;
    infer_error verify; /* what --verify found */
};

/* ---- Text ---- */

static void print_architecture(const struct report *r)
{
    const infer_model_info *m = &r->in.info;
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
    if (r->in.tokenizer)
        printf("  tokenizer       %d tokens, begin %d, end %d%s\n", infer_tokenizer_size(r->in.tokenizer),
               infer_tokenizer_bos(r->in.tokenizer), infer_tokenizer_eos(r->in.tokenizer),
               infer_tokenizer_chat_template(r->in.tokenizer) ? ", with a chat template" : "");
    else
        printf("  tokenizer       none\n");
    if (!m->runnable)
        printf("  cannot be run   %s\n", r->in.load.message);
}

static void print_memory(const struct report *r)
{
    const double per_token = (double)r->in.info.kv_bytes_per_token;
    printf("\nMemory\n  weights         %s, %s\n", human_bytes((double)r->in.info.bytes),
           r->in.unmade ? "made of the file's other form when it is opened" : "used where they lie in the file");
    if (!r->in.info.runnable)
        return;
    printf("  cache           %s a token\n", human_bytes(per_token));
    if (r->in.unmade)
        return;
    printf("                  %s at %zu tokens, a session's default\n",
           human_bytes(per_token * (double)r->in.n_ctx), r->in.n_ctx);
    printf("                  %s at %d tokens, the longest it was trained on\n",
           human_bytes(per_token * r->in.info.n_ctx_train), r->in.info.n_ctx_train);
    printf("  work buffers    %s a session\n", human_bytes((double)r->in.work));
}

static void print_metadata(const struct report *r)
{
    enum { CUT = 100 };
    const char *key;
    char *value;
    printf("\nMetadata\n");
    for (size_t i = 0; (value = inspect_metadata(r->in.model, i, !o.full, &key)); i++) {
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
    while (inspect_tensor(r->in.model, n, &t))
        n++;
    printf("\nTensors: %zu\n", n);
    for (size_t i = 0; inspect_tensor(r->in.model, i, &t); i++) {
        char shape[96] = "";
        for (int d = 0, at = 0; d < t.n_dims; d++)
            at += snprintf(shape + at, sizeof shape - (size_t)at, "%s%llu", d ? " x " : "",
                           (unsigned long long)t.dims[d]);
        printf("  %-48s %-8s %-20s %14llu bytes%s%s%s\n", t.name, t.type, shape, (unsigned long long)t.bytes,
               t.made_of ? ", made of " : "", t.made_of ? t.made_of : "", r->in.info.runnable && !t.used ? ", not used" : "");
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

static json_t *json_metadata(const struct report *r)
{
    json_t *all = json_object();
    const char *key;
    char *value;
    for (size_t i = 0; (value = inspect_metadata(r->in.model, i, !o.full, &key)); i++) {
        json_object_set_new(all, key, json_of_value(value));
        free(value);
    }
    return all;
}

static json_t *json_tensors(const struct report *r)
{
    json_t *all = json_array();
    infer_tensor_info t;
    for (size_t i = 0; inspect_tensor(r->in.model, i, &t); i++) {
        json_t *shape = json_array();
        for (int d = 0; d < t.n_dims; d++)
            json_array_append_new(shape, json_integer((json_int_t)t.dims[d]));
        json_t *one = json_pack("{s:o, s:s, s:o, s:I, s:b}", "name", json_of_text(t.name), "type", t.type, "shape", shape,
                                "bytes", (json_int_t)t.bytes, "used", (int)t.used);
        if (t.made_of)
            json_object_set_new(one, "made_of", json_of_text(t.made_of));
        json_array_append_new(all, one);
    }
    return all;
}

static json_t *json_tokenizer(const struct report *r)
{
    const infer_tokenizer *t = r->in.tokenizer;
    if (!t)
        return json_null();
    return json_pack("{s:i, s:i, s:i, s:b}", "size", infer_tokenizer_size(t), "bos", infer_tokenizer_bos(t), "eos",
                     infer_tokenizer_eos(t), "chat_template", infer_tokenizer_chat_template(t) != NULL);
}

static json_t *json_memory(const struct report *r)
{
    const json_int_t per_token = (json_int_t)r->in.info.kv_bytes_per_token, n_ctx = (json_int_t)r->in.n_ctx;
    json_t *memory = json_pack("{s:I}", "weights", (json_int_t)r->in.info.bytes);
    if (r->in.info.runnable)
        json_join(memory, json_pack("{s:I, s:I, s:I, s:I, s:I}", "cache_per_token", per_token, "default_context", n_ctx,
                               "cache_at_default_context", per_token * n_ctx, "cache_at_full_context",
                               per_token * r->in.info.n_ctx_train, "work_buffers", (json_int_t)r->in.work));
    return memory;
}

static void print_json(const struct report *r)
{
    const infer_model_info *m = &r->in.info;
    json_t *json = json_pack("{s:o, s:s, s:s, s:s, s:I, s:b}", "name", json_of_text(m->name), "format", m->format,
                             "architecture", m->architecture, "quantization", m->quantization, "parameters",
                             (json_int_t)m->n_params, "runnable", (int)m->runnable);
    if (m->runnable)
        json_join(json, json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:b}", "layers", m->n_layer, "width", m->n_embd, "heads",
                             m->n_head, "heads_kv", m->n_head_kv, "vocabulary", m->n_vocab, "context", m->n_ctx_train,
                             "encoder", (int)m->encoder));
    else
        json_object_set_new(json, "reason", json_of_text(r->in.load.message));
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
    struct report r = { 0 };
    infer_context *context = program_context(0, 0, &err);
    const bool read = context && inspect_open(&r.in, context, o.model[0], &err) == INFER_OK;
    if (read && o.verify && r.in.load.code == INFER_OK)
        infer_model_verify(r.in.model, NULL, NULL, &r.verify);
    else if (read && o.verify)
        r.verify = r.in.load;
    if (read)
        (o.json ? print_json : print_text)(&r);
    inspect_close(&r.in);
    infer_context_close(&context);
    if (!read)
        return report_failure(command.name, &err);
    return r.verify.code == INFER_OK ? 0 : report_failure(command.name, &r.verify);
}
