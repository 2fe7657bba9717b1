/* show.c - text and complaints, progress and figures. */
#include "tools/run/run.h"

#include <stdlib.h>
#include <unistd.h>

static char last_written = '\n';

bool show_text(void *user, const char *text, size_t length)
{
    (void)user;
    if (length)
        last_written = text[length - 1];
    return fwrite(text, 1, length, stdout) == length && fflush(stdout) == 0 && !interrupted;
}

void show_line_end(void)
{
    if (last_written != '\n')
        show_text(NULL, "\n", 1);
}

int show_failure(const infer_error *err, const char *advice)
{
    show_line_end();
    fprintf(stderr, "infer-run: %s%s%s\n", err->message, advice ? "; " : "", advice ? advice : "");
    return EXIT_FAILURE;
}

bool is_colourful(FILE *f)
{
    return isatty(fileno(f)) && !getenv("NO_COLOR");
}

void show_prompt(const char *text, size_t length)
{
    const bool bold = is_colourful(stdout);
    fputs(bold ? "\033[1m" : "", stdout);
    show_text(NULL, text, length);
    fputs(bold ? "\033[0m" : "", stdout);
    fflush(stdout);
}

/* Of what takes longer than a second, where somebody is watching. */
static bool show_progress(const struct run *r, const char *what, float done)
{
    if (seconds_now() - r->began > 1)
        fprintf(stderr, done < 1 ? "\r\033[K%.0f %% of the %s" : "\r\033[K", 100 * (double)done, what);
    return !interrupted;
}

bool show_prompt_progress(void *user, float done)
{
    return show_progress(user, "prompt", done);
}

bool show_reading_progress(void *user, float done)
{
    return show_progress(user, "model", done);
}

void show_model(const struct run *r)
{
    infer_model_info m = { .size = sizeof m };
    infer_model_get_info(r->model, &m);
    infer_session_info s = { .size = sizeof s };
    infer_session_get_info(r->session, &s);
    const double n = (double)infer_session_capacity(r->session);
    fprintf(stderr, "model     %s: %s, %s, mostly %s, %.4g million parameters\n", m.name, m.format, m.architecture,
            m.quantization, (double)m.n_params / 1e6);
    fprintf(stderr, "shape     %d layers, width %d, %d heads with %d of keys and values, vocabulary %d\n", m.n_layer,
            m.n_embd, m.n_head, m.n_head_kv, m.n_vocab);
    fprintf(stderr, "context   %.0f tokens (trained on %d), cache %s/%s, %s a token, %s when full\n", n, m.n_ctx_train,
            kv_type_name(s.kv_type_k), kv_type_name(s.kv_type_v), human_bytes((double)s.kv_bytes_per_token),
            human_bytes((double)s.kv_bytes_per_token * n));
    fprintf(stderr, "machine   %s, %d threads\nseed      %llu\n", infer_context_cpu(r->context),
            infer_context_threads(r->context), (unsigned long long)settings.sampling.o.seed);
}

static double per_second(size_t n, double s)
{
    return s > 0 ? (double)n / s : 0;
}

static void show_store(const struct run *r)
{
    infer_store_stats s = { .size = sizeof s };
    infer_store_flush(r->store);
    infer_store_get_stats(r->store, &s);
    fprintf(stderr, "store     %llu tokens found, %llu files written, %llu there, %s\n", (unsigned long long)s.tokens,
            (unsigned long long)s.written, (unsigned long long)s.files, human_bytes((double)s.bytes));
}

void show_figures(const struct run *r)
{
    static const char *const reasons[] = { "as many as asked for", "the model ended it", "a stop string came up",
                                           "the context is full; -c N makes it larger", "interrupted",
                                           "the grammar ended it", "a failure" };
    const infer_generate_result *s = &r->sum;
    infer_model_info m = { .size = sizeof m };
    infer_model_get_info(r->model, &m);
    const bool dim = is_colourful(stderr);
    fprintf(stderr, "%s\nload      %.0f ms\n", dim ? "\033[2m" : "", r->load_seconds * 1e3);
    fprintf(stderr, "prompt    %zu tokens, %.1f tokens/s\n", s->n_prompt, per_second(s->n_prompt, s->prompt_seconds));
    fprintf(stderr, "text      %zu tokens, %.1f tokens/s (%s)\n", s->n_generated,
            per_second(r->n_passes, s->generate_seconds), reasons[s->reason]);
    if (r->options.speculation)
        fprintf(stderr, "guessed   %zu tokens, of which %zu came true\n", s->n_drafted, s->n_accepted);
    fprintf(stderr, "memory    %s at most; weights %s %s, session %s\n", human_bytes((double)peak_bytes()),
            program_machine.quantize ? "quantised" : program_machine.no_mmap ? "read in" : "mapped",
            human_bytes((double)m.bytes), human_bytes((double)infer_session_bytes(r->session)));
    if (r->store)
        show_store(r);
    if (settings.verbose && program_machine.huge_pages)
        fprintf(stderr, "          %s in huge pages\n", human_bytes((double)huge_bytes()));
    fputs(dim ? "\033[0m" : "", stderr);
}
