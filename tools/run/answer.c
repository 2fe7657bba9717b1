/* answer.c - one text, or one answer. */
#include "tools/run/run.h"

#include <errno.h>
#include <stdlib.h>

char *unescape_typed(const char *text, size_t *length)
{
    if (settings.escape && !settings.talk)
        return unescape(text, length);
    *length = strlen(text);
    return strdup(text);
}

static void add_figures(struct run *r, const infer_generate_result *one)
{
    r->sum.n_prompt += one->n_prompt;
    r->sum.n_generated += one->n_generated;
    r->sum.prompt_seconds += one->prompt_seconds;
    r->sum.generate_seconds += one->generate_seconds;
    r->sum.n_drafted += one->n_drafted;
    r->sum.n_accepted += one->n_accepted;
    r->sum.reason = interrupted ? INFER_STOP_CALLBACK : one->reason;
    /* The prompt's pass gives the first token, and the last one needs none, unless it was found to end the text. Tokens
     * guessed count as a pass each. */
    r->n_passes += one->n_generated - (one->n_generated && one->reason != INFER_STOP_END);
}

/* Write the best of the texts that are found, and have the session go on after it. */
static infer_status find_text(struct run *r, const char *prompt, size_t length, infer_generate_result *one,
                              infer_error *err)
{
    infer_beam_options options = infer_beam_defaults();
    infer_beam best = { .size = sizeof best };
    options.n_beams = settings.n_beams;
    options.length_penalty = settings.length_penalty;
    options.generate = &r->options;
    infer_beams *found = infer_beam_search(r->session, r->sampler, prompt, length, &options, err);
    if (!found)
        return err->code;
    infer_beams_get_result(found, one);
    infer_status status = infer_beams_get(found, 0, &best, err);
    if (status == INFER_OK && !show_text(NULL, best.text, best.length))
        one->reason = INFER_STOP_CALLBACK;
    for (size_t i = 0; settings.verbose && !settings.quiet && i < infer_beams_count(found); i++) {
        infer_beam b = { .size = sizeof b };
        if (infer_beams_get(found, i, &b, err) == INFER_OK)
            fprintf(stderr, "\n%8.4f  %s", b.score, b.text);
    }
    if (status == INFER_OK && (settings.interactive || settings.session))
        status = infer_session_eval(r->session, best.tokens, best.n_tokens, err);
    infer_beams_close(&found);
    return status;
}

/* The exit code for what happened. */
static int end(struct run *r, infer_status status, const infer_generate_result *one, const char *advice,
               const infer_error *err)
{
    const int write_error = errno;
    add_figures(r, one);
    if (interrupted)
        return EXIT_INTERRUPTED;
    if (status != INFER_OK)
        return show_failure(err, status == INFER_E_FULL ? "-c N makes it larger" : advice);
    if (one->reason != INFER_STOP_CALLBACK)
        return EXIT_SUCCESS;
    fprintf(stderr, "infer-run: the text cannot be written: %s\n", strerror(write_error));
    return EXIT_FAILURE;
}

int answer(struct run *r, const char *prompt, size_t length)
{
    infer_error err = { 0 };
    infer_generate_result one = { .size = sizeof one };
    r->began = seconds_now();
    const infer_status status =
        r->chat            ? chat_say(r->chat, r->session, r->sampler, prompt, length, &r->options, &one, &err)
        : settings.n_beams ? find_text(r, prompt, length, &one, &err)
                           : infer_generate(r->session, r->sampler, prompt, length, &r->options, &one, &err);
    return end(r, status, &one, length ? NULL : "give a prompt with -p, with -f or through a pipe", &err);
}

int answer_again(struct run *r)
{
    infer_error err = { 0 };
    infer_generate_result one = { .size = sizeof one };
    r->began = seconds_now();
    const infer_status status = chat_again(r->chat, r->session, r->sampler, &r->options, &one, &err);
    return end(r, status, &one, NULL, &err);
}
