/* show_model.c - infer-run show: what one needs to know of a model before it is run. infer-inspect tells the rest. */
#include "tools/common/failure.h"
#include "tools/common/inspect.h"
#include "tools/run/run.h"

#include <stdlib.h>

static const char *operands[2];
static struct {
    bool json, whole_template;
} o;

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "Options", NULL, 0, 0 },
    { OPT_FLAG, "--template", NULL, "print the chat template, all of it and nothing else", &o.whole_template, 0, 0 },
    { OPT_FLAG, "--json", NULL, "one JSON object instead of lines", &o.json, 0, 0 },
    OPT_STANDARD,
};

const struct command show_command = {
    .name = "infer-run show",
    .about = "what a model is, and what it needs",
    .usage = "[MODEL] [--json]",
    .examples = "  infer-run show model.gguf\n"
                "  infer-run show model.gguf --template > chat.jinja\n",
    .notes = "MODEL is a GGUF file or a Hugging Face directory; default $INFER_MODEL, else\n"
             "the small story model inside the program. infer-inspect shows its metadata and\n"
             "tensors.\n\n"
             "Exit codes: 0 done, 1 the model cannot be opened, 2 wrong usage.\n",
    .rows = rows,
    .n_rows = sizeof rows / sizeof *rows,
    .operands = operands,
    .max_operands = 1,
};

struct shown {
    struct inspected in;
    const char *path;   /* NULL: inside the program */
    char *license;      /* NULL: it does not say one */
    const char *source; /* of the chat template, or NULL */
    char *format;       /* how answers are read; NULL without a template */
};

/* How the model's answers are told apart, if its template can be read. */
static char *answer_format(struct shown *s)
{
    infer_error err;
    infer_chat *chat = s->source && s->in.info.runnable ? infer_chat_open(s->in.model, NULL, &err) : NULL;
    char *format = chat ? strdup(infer_chat_format(chat)) : NULL;
    infer_chat_close(&chat);
    return format;
}

static infer_status open_shown(struct shown *s, infer_context *context, infer_error *err)
{
    const infer_status status = inspect_open(&s->in, context, s->path, err);
    if (status != INFER_OK)
        return status;
    s->license = inspect_text(s->in.model, "general.license");
    s->source = s->in.tokenizer ? infer_tokenizer_chat_template(s->in.tokenizer) : NULL;
    s->format = answer_format(s);
    return INFER_OK;
}

static void close_shown(struct shown *s)
{
    free(s->license);
    free(s->format);
    inspect_close(&s->in);
}

static void print_memory(const struct shown *s)
{
    const infer_model_info *m = &s->in.info;
    const double per_token = (double)m->kv_bytes_per_token;
    printf("  memory         %s of weights%s\n", human_bytes((double)m->bytes),
           s->in.unmade ? ", made of the file's other form when it is opened" : "");
    if (s->in.n_ctx)
        printf("                 %s of work buffers a session\n", human_bytes((double)s->in.work));
    printf("                 %s of cache a token", human_bytes(per_token));
    if (s->in.n_ctx)
        printf(": %s for %zu, the default", human_bytes(per_token * (double)s->in.n_ctx), s->in.n_ctx);
    if (s->in.n_ctx != (size_t)m->n_ctx_train)
        printf(",\n                 %s for %d, the most", human_bytes(per_token * m->n_ctx_train), m->n_ctx_train);
    printf("\n");
}

static void print_lines(const struct shown *s)
{
    const infer_model_info *m = &s->in.info;
    printf("%s\n", m->name);
    printf("  path           %s\n", s->path ? s->path : "inside the program");
    printf("  format         %s, most weights %s\n", m->format, m->quantization);
    printf("  architecture   %s%s, %.4g million parameters\n", *m->architecture ? m->architecture : "unknown",
           m->encoder ? ", an encoder" : "", (double)m->n_params / 1e6);
    if (m->runnable) {
        printf("  shape          %d layers, width %d, %d heads with %d of keys and values\n", m->n_layer, m->n_embd,
               m->n_head, m->n_head_kv);
        printf("  context        %d tokens, of a vocabulary of %d\n", m->n_ctx_train, m->n_vocab);
    }
    if (s->source)
        printf("  chat template  %zu characters, answers in the form %s (--template shows it)\n", strlen(s->source),
               s->format ? s->format : "of none that is known");
    else
        printf("  chat template  none\n");
    printf("  licence        %s\n", s->license ? s->license : "not said in its files");
    if (m->runnable)
        print_memory(s);
    else
        printf("  cannot be run  %s\n", s->in.load.message);
}

static void print_json(const struct shown *s)
{
    const infer_model_info *m = &s->in.info;
    json_t *json = json_pack("{s:o, s:o, s:s, s:s, s:s, s:I, s:I, s:b}", "name", json_of_text(m->name), "path",
                             s->path ? json_of_text(s->path) : json_null(), "format", m->format, "architecture",
                             m->architecture, "type", m->quantization, "parameters", (json_int_t)m->n_params, "bytes",
                             (json_int_t)m->bytes, "runnable", (int)m->runnable);
    if (m->runnable)
        json_join(json, json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:I, s:I, s:I}", "layers", m->n_layer, "width",
                                  m->n_embd, "heads", m->n_head, "heads_kv", m->n_head_kv, "vocabulary", m->n_vocab,
                                  "context", m->n_ctx_train, "encoder", (int)m->encoder, "cache_per_token",
                                  (json_int_t)m->kv_bytes_per_token, "default_context", (json_int_t)s->in.n_ctx,
                                  "work_buffers", (json_int_t)s->in.work));
    else
        json_object_set_new(json, "reason", json_of_text(s->in.load.message));
    json_object_set_new(json, "chat_template", s->source ? json_of_text(s->source) : json_null());
    json_object_set_new(json, "answers", s->format ? json_of_text(s->format) : json_null());
    json_object_set_new(json, "license", s->license ? json_of_text(s->license) : json_null());
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

int show_run(void)
{
    infer_error err = { 0 };
    struct shown s = { .path = operands[0] };
    if (!s.path && !program_model_is_embedded(NULL))
        s.path = getenv("INFER_MODEL");
    infer_context *context = program_context(1, 0, &err);
    infer_status status = context ? open_shown(&s, context, &err) : err.code;
    if (status == INFER_OK && o.whole_template && !s.source)
        status = failure(&err, INFER_E_UNKNOWN, "%s: brings no chat template", s.in.info.name);
    if (status == INFER_OK && o.whole_template)
        printf("%s\n", s.source);
    else if (status == INFER_OK)
        (o.json ? print_json : print_lines)(&s);
    close_shown(&s);
    infer_context_close(&context);
    return status == INFER_OK ? EXIT_SUCCESS : show_failure(&err, NULL);
}
