/* open.c - what a run needs, opened and closed. */
#include "tools/pull/show.h"
#include "tools/run/run.h"

#include "tools/common/failure.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void write_likely(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top)
{
    struct run *r = user;
    if (r->unwritten.code == INFER_OK)
        likely_write(&r->lines, id, (double)logprob, top, n_top, &r->unwritten);
}

bool run_is_saved(void)
{
    return settings.session && access(settings.session, F_OK) == 0;
}

static bool set_tools(struct run *r, infer_error *err)
{
    static const char *const choices[] = { "auto", "none", "required" };
    size_t length;
    int choice = 0;
    if (!settings.tools)
        return true;
    settings.chat.tools = r->tools = read_given(settings.tools, '[', &length, err);
    while (settings.tool_choice && choice < 3 && strcmp(settings.tool_choice, choices[choice]) != 0)
        choice++;
    settings.chat.tool_choice = choice < 3 ? (infer_tool_choice)choice : INFER_TOOL_REQUIRED;
    settings.chat.tool_name = choice < 3 ? NULL : settings.tool_choice;
    return r->tools;
}

static bool open_chat(struct run *r, infer_error *err)
{
    return set_tools(r, err) && (r->chat = chat_open(r->model, &settings.chat, is_colourful(stdout), err)) &&
           (!settings.system || chat_set_system(r->chat, settings.system, err) == INFER_OK) &&
           say_messages(r->chat, err) == INFER_OK;
}

/* What text is held to: an answer after its reasoning, other text from its beginning. */
static bool open_text(struct run *r, infer_error *err)
{
    infer_grammar *grammar = grammar_options_open(&settings.grammar, r->context, err);
    if (!grammar && err->code != INFER_OK)
        return false;
    settings.chat.response = grammar;
    const bool opened = settings.talk ? open_chat(r, err)
                                      : infer_sampler_set_grammar(r->sampler, grammar, infer_model_tokenizer(r->model),
                                                                  err) == INFER_OK;
    infer_grammar_close(&grammar);
    return opened;
}

static bool open_store(struct run *r, infer_error *err)
{
    infer_store_options options = infer_store_defaults();
    options.max_bytes = (uint64_t)settings.store_bytes;
    return !settings.store || (r->store = infer_store_open(r->context, settings.store, &options, err));
}

static infer_session_options session_options(const struct run *r)
{
    infer_session_options options = infer_session_defaults();
    options.n_ctx = settings.n_ctx;
    options.n_batch = settings.n_batch;
    options.precision = (infer_precision)settings.precision;
    options.store = r->store;
    program_kv_types(&options, &settings.kv);
    return options;
}

static bool open_session(struct run *r, infer_error *err)
{
    const infer_session_options options = session_options(r);
    return (r->session = infer_session_open(r->model, &options, err)) &&
           adapters_set(&settings.adapters, r->model, r->session, err) == INFER_OK &&
           (!run_is_saved() || infer_session_load(r->session, settings.session, err) == INFER_OK);
}

/* What guesses tokens. */
static bool open_draft(struct run *r, infer_error *err)
{
    infer_session_options options = session_options(r);
    settings.speculation.no_lookup = !settings.lookup;
    r->options.speculation = settings.lookup || settings.draft ? &settings.speculation : NULL;
    if (!settings.draft)
        return true;
    options.n_ctx = (int32_t)infer_session_capacity(r->session);
    r->draft_model = program_model(r->context, settings.draft, err);
    settings.speculation.draft = r->draft = r->draft_model ? infer_session_open(r->draft_model, &options, err) : NULL;
    return r->draft;
}

static bool open_likely(struct run *r, infer_error *err)
{
    FILE *const file = fopen(settings.logprobs, "w");
    if (!file)
        return failure(err, INFER_E_IO, "%.400s: %s", settings.logprobs, strerror(errno)), false;
    r->options.on_token = write_likely;
    r->options.n_top = (size_t)settings.n_top;
    r->options.echo = true;
    r->lines.file = file;
    const infer_tokenizer *tokenizer = infer_model_tokenizer(r->model);
    return !tokenizer || likely_open(&r->lines, file, tokenizer); /* without one no text is begun, and that is told */
}

static bool go_on(void)
{
    return !interrupted;
}

/* What is on a hub becomes a path in its cache. */
static bool find_model(struct run *r, infer_error *err)
{
    if (!settings.hub.repo)
        return true;
    settings.model = r->pulled = pull_named(&settings.hub, settings.quiet, go_on, err);
    return r->pulled;
}

bool run_open_model(struct run *r, infer_error *err)
{
    const bool watched = !settings.quiet && isatty(STDERR_FILENO);
    const infer_log_level level = settings.verbose ? INFER_LOG_DEBUG : INFER_LOG_WARN;
    if (!find_model(r, err))
        return false;
    r->began = seconds_now();
    program_machine.on_read = watched ? show_reading_progress : NULL;
    program_machine.user = r;
    return (r->context = program_context(settings.n_threads, level, err)) &&
           (r->model = program_model(r->context, settings.model, err));
}

static bool set_stops(struct run *r, infer_error *err)
{
    r->options.stops = (const char *const *)r->stops;
    for (size_t length; r->options.n_stops < settings.stops.n; r->options.n_stops++) {
        const char *stop = settings.stops.item[r->options.n_stops];
        if (!(r->stops[r->options.n_stops] = settings.escape ? unescape(stop, &length) : strdup(stop)))
            return failure(err, INFER_E_NOMEM, "no memory for a stop string"), false;
    }
    return true;
}

bool run_open(struct run *r, infer_error *err)
{
    uint32_t random = 0; /* short enough to type again */
    if (settings.seed < 0 && getentropy(&random, sizeof random) != 0)
        random = (uint32_t)(seconds_now() * 1e9);
    settings.sampling.o.seed = settings.seed < 0 ? random : (uint64_t)settings.seed;
    r->options = infer_generate_defaults();
    r->options.n_predict = settings.n_predict;
    r->options.ignore_end = settings.ignore_end;
    r->options.unparse_special = settings.special;
    r->options.on_text = show_text;
    r->options.on_prompt = !settings.quiet && isatty(STDERR_FILENO) ? show_prompt_progress : NULL;
    r->options.user = r;
    const bool opened =
        open_store(r, err) && open_session(r, err) &&
        (r->sampler = sampling_open(&settings.sampling, r->context, infer_model_tokenizer(r->model), err)) &&
        open_draft(r, err) && open_text(r, err) && set_stops(r, err);
    r->load_seconds = seconds_now() - r->began;
    interrupt_session(r->session);
    return opened && (!settings.logprobs || open_likely(r, err));
}

void run_close(struct run *r)
{
    interrupt_session(NULL);
    chat_close(&r->chat);
    free(r->tools);
    free(r->pulled);
    if (r->lines.file)
        fclose(r->lines.file);
    likely_close(&r->lines);
    for (size_t i = 0; i < r->options.n_stops; i++)
        free(r->stops[i]);
    infer_sampler_close(&r->sampler);
    infer_session_close(&r->session);
    infer_store_close(&r->store);
    infer_session_close(&r->draft);
    infer_model_close(&r->draft_model);
    infer_model_close(&r->model);
    infer_context_close(&r->context);
}
