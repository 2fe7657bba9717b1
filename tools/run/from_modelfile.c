/* from_modelfile.c - what a Modelfile says, as settings. Its parameters are options under other names. What stands on
 * the command line counts more. */
#include "tools/common/failure.h"
#include "tools/run/run.h"

#include <stdlib.h>

/* Ollama's parameters. */
static const struct {
    const char *name, *option; /* NULL: it means nothing here */
    bool inverted;             /* true is the option's false */
} parameters[] = {
    { "num_ctx", "ctx-size", false },
    { "num_predict", "n-predict", false },
    { "num_batch", "batch-size", false },
    { "num_thread", "threads", false },
    { "temperature", "temp", false },
    { "top_k", "top-k", false },
    { "top_p", "top-p", false },
    { "min_p", "min-p", false },
    { "typical_p", "typical", false },
    { "repeat_last_n", "repeat-last-n", false },
    { "repeat_penalty", "repeat-penalty", false },
    { "presence_penalty", "presence-penalty", false },
    { "frequency_penalty", "frequency-penalty", false },
    { "mirostat", "mirostat", false },
    { "mirostat_eta", "mirostat-lr", false },
    { "mirostat_tau", "mirostat-ent", false },
    { "seed", "seed", false },
    { "stop", "stop", false },
    { "use_mmap", "no-mmap", true },
    { "use_mlock", "mlock", false },
    { "numa", NULL, false },
    { "num_gpu", NULL, false },
    { "main_gpu", NULL, false },
    { "low_vram", NULL, false },
    { "f16_kv", NULL, false },
    { "vocab_only", NULL, false },
    { "logits_all", NULL, false },
    { "embedding_only", NULL, false },
    { "num_keep", NULL, false },
    { "num_gqa", NULL, false },
    { "tfs_z", NULL, false },
    { "penalize_newline", NULL, false },
    { "rope_frequency_base", NULL, false },
    { "rope_frequency_scale", NULL, false },
};
enum { N_PARAMETERS = sizeof parameters / sizeof *parameters };

/* Set an option as an item says, unless it stands on the command line; a mistake is told with the item's place. */
static bool store(const struct modelfile_item *item, const char *option, const char *value)
{
    struct command command = run_command;
    char place[512];
    snprintf(place, sizeof place, "%.400s:%u%s%.60s", settings.modelfile, item->line, *item->name ? ": PARAMETER " : "",
             item->name);
    command.place = place;
    return options_store(&command, option, value) == OPTIONS_RUN;
}

static bool apply_parameter(const struct modelfile_item *item)
{
    size_t i = 0;
    while (i < N_PARAMETERS && strcmp(parameters[i].name, item->name) != 0)
        i++;
    if (i == N_PARAMETERS) {
        fprintf(stderr, "infer-run: %s:%u: there is no PARAMETER %s\n", settings.modelfile, item->line, item->name);
        return false;
    }
    if (!parameters[i].option) {
        if (!settings.quiet)
            fprintf(stderr, "infer-run: %s:%u: PARAMETER %s changes nothing here\n", settings.modelfile, item->line,
                    item->name);
        return true;
    }
    if (parameters[i].inverted && (!strcmp(item->value, "true") || !strcmp(item->value, "false")))
        return store(item, parameters[i].option, !strcmp(item->value, "true") ? "false" : "true");
    /* -2, until the context is full: as far as there is room, as -1 */
    const bool endless = !strcmp(item->name, "num_predict") && !strcmp(item->value, "-2");
    return store(item, parameters[i].option, endless ? "-1" : item->value);
}

static void apply_template(const char *source)
{
    switch (modelfile_language(source)) {
    case MODELFILE_JINJA: settings.chat.chat_template = source; break;
    case MODELFILE_GO: settings.go_template = true; break;
    case MODELFILE_PROMPT: settings.plain_template = true; break;
    }
}

static bool apply_item(const struct modelfile_item *item)
{
    switch (item->kind) {
    case MODELFILE_FROM:
        if (settings.model || settings.hub.repo) /* the command line counts more */
            return true;
        if (pull_is_name(item->value))
            settings.hub.repo = item->value;
        else
            settings.model = item->path;
        return true;
    case MODELFILE_PARAMETER: return apply_parameter(item);
    case MODELFILE_TEMPLATE: apply_template(item->value); return true;
    case MODELFILE_SYSTEM: return !*item->value || store(item, "system-prompt", item->value);
    case MODELFILE_ADAPTER: return store(item, "lora", item->path);
    case MODELFILE_MESSAGE:
    case MODELFILE_LICENSE:
    case MODELFILE_OTHER: return true;
    }
    return true;
}

bool from_modelfile(void)
{
    infer_error err;
    settings.read = modelfile_open(settings.modelfile, &err);
    if (!settings.read)
        show_failure(&err, NULL);
    bool good = settings.read;
    for (size_t i = 0; good && i < settings.read->n; i++)
        good = apply_item(&settings.read->items[i]);
    return good;
}

infer_status say_messages(struct chat *chat, infer_error *err)
{
    infer_status status = INFER_OK;
    for (size_t i = 0; settings.read && i < settings.read->n && status == INFER_OK; i++) {
        const struct modelfile_item *item = &settings.read->items[i];
        if (item->kind == MODELFILE_MESSAGE)
            status = chat_add(chat, item->name, item->value, strlen(item->value), err);
    }
    return status;
}

bool template_is_read(bool model_brings_one, infer_error *err)
{
    if (!settings.go_template || settings.no_talk || settings.chat.template_name)
        return true;
    if (!model_brings_one)
        return failure(err, INFER_E_UNKNOWN, "%.200s: TEMPLATE is in Go's language, which is not read here, and the "
                       "model brings none in Jinja; --chat-template NAME gives one, -no-cnv does without",
                       settings.modelfile), false;
    if (!settings.quiet)
        fprintf(stderr, "infer-run: %s: the model's own template is used, not the one in Go's language\n",
                settings.modelfile);
    return true;
}
