/* generate.c - drives one text's machine with one session, a token at a time.
 *
 * A token that was sampled is appended to the session at once, but evaluated only when the logits after it are needed:
 * the last one of a text costs no forward pass, and whatever is fed next evaluates it along. */
#include "src/base/context.h"
#include "src/base/error.h"
#include "src/engine/context.h"
#include "src/model/model.h"
#include "src/runtime/generation.h"
#include "src/runtime/session.h"

struct infer_generation {
    struct generation g;
    infer_session *session;
    int32_t *prompt; /* n_prompt ids to evaluate */
    size_t n_prompt;
    size_t length; /* of the session, as the last step left it */
    bool anew;     /* the sampler's grammar begins after the prompt */
    bool begun;
    infer_status status; /* of the step that failed, told after the text before it */
    infer_error error;
};

/* ---- The prompt ---- */

static infer_status prepare(infer_generation *run, infer_session *session, infer_sampler *sampler, const char *prompt,
                            size_t length, const infer_generate_options *options, infer_error *err)
{
    *run = (infer_generation){ 0 };
    if (!session || !sampler || (!prompt && length))
        return fail(err, INFER_E_ARGUMENT, "generation needs a session, a sampler and a prompt; found NULL");
    run->session = session;
    run->length = infer_session_length(session);
    run->anew = length > 0;
    infer_status status = generation_open(&run->g, session_model(session), sampler, options, err);
    if (status == INFER_OK)
        status = generation_encode(&run->g, prompt, length, run->length == 0, &run->prompt, &run->n_prompt, err);
    if (status != INFER_OK)
        return status;
    const size_t capacity = infer_session_capacity(session);
    if (run->n_prompt > capacity - run->length)
        return fail(err, INFER_E_FULL, "the prompt has %zu tokens, but the context of %zu has room for %zu",
                    run->n_prompt, capacity, capacity - run->length);
    return INFER_OK;
}

static void tear_down(infer_generation *run)
{
    if (run->g.a)
        mem_free(run->g.a, run->prompt);
    generation_close(&run->g);
}

/* In steps of as many tokens as the session computes at once, where somebody wants to know how far it is. */
static infer_status eval_prompt(infer_generation *run, infer_error *err)
{
    struct generation *g = &run->g;
    const size_t n = run->n_prompt, step = g->o.on_prompt ? session_batch(run->session) : n;
    for (size_t done = 0; done < n;) {
        const size_t now = n - done < step ? n - done : step;
        const infer_status status = infer_session_eval(run->session, run->prompt + done, now, err);
        if (status != INFER_OK)
            return status;
        generation_count(g, run->prompt + done, now);
        done += now;
        if (g->o.on_prompt && !g->o.on_prompt(g->o.user, (float)done / (float)n))
            return fail(err, INFER_E_CANCELLED, "cancelled after %zu of %zu tokens of the prompt", done, n);
    }
    run->begun = true;
    return generation_begin(g, infer_session_tokens(run->session), infer_session_length(run->session), run->anew, err);
}

/* ---- Tokens ---- */

/* Have the logits after the last token, which may be waiting, or be left over from a rewind. */
static infer_status logits_ready(infer_session *s, infer_error *err)
{
    if (infer_session_logits(s))
        return INFER_OK;
    const size_t n = infer_session_length(s);
    const int32_t last = infer_session_tokens(s)[n - 1];
    infer_status status = infer_session_rewind(s, n - 1, err);
    if (status == INFER_OK)
        status = session_append(s, last, err); /* stays even if eval fails */
    if (status != INFER_OK)
        return status;
    return infer_session_eval(s, NULL, 0, err);
}

/* The prompt, or a token. */
static infer_status advance(infer_generation *run, infer_error *err)
{
    infer_session *s = run->session;
    if (infer_session_length(s) != run->length)
        return fail(err, INFER_E_ARGUMENT, "the session has %zu tokens, but its generation left it with %zu",
                    infer_session_length(s), run->length);
    infer_status status = run->begun ? INFER_OK : eval_prompt(run, err);
    run->length = infer_session_length(s);
    if (status != INFER_OK || !generation_wants(&run->g, infer_session_capacity(s) - run->length))
        return status;
    status = logits_ready(s, err);
    if (status != INFER_OK)
        return status;
    int32_t id;
    status = generation_step(&run->g, infer_session_logits(s), &id, err);
    if (id >= 0) {
        const infer_status appended = session_append(s, id, status == INFER_OK ? err : NULL);
        status = status == INFER_OK ? appended : status;
    }
    run->length = infer_session_length(s);
    return status;
}

/* The next piece, {NULL, 0} at the end. Text that was held back when a step failed comes before the failure is told. */
static infer_status next_piece(infer_generation *run, infer_chat_part *part, struct text *text, infer_error *err)
{
    *text = (struct text){ NULL, 0 };
    while (!generation_piece(&run->g, part, text)) {
        if (run->g.ended)
            return run->status ? fail(err, run->status, "%s", run->error.message) : INFER_OK;
        run->status = advance(run, &run->error);
        if (run->status != INFER_OK)
            generation_stop(&run->g, INFER_STOP_ERROR);
    }
    return INFER_OK;
}

/* ---- Public ---- */

infer_generation *infer_generation_open(infer_session *session, infer_sampler *sampler, const char *prompt,
                                        size_t length, const infer_generate_options *options, infer_error *err)
{
    if (!session)
        return fail_null(err, INFER_E_ARGUMENT, "generation needs a session; found NULL");
    infer_context *context = session_model(session)->context;
    infer_generation *run = mem_new(context_allocator(context), 1, sizeof *run);
    if (!run)
        return fail_memory(err, "a generation"), NULL;
    const infer_status status = prepare(run, session, sampler, prompt, length, options, err);
    if (status == INFER_OK)
        return run;
    tear_down(run);
    mem_free(context_allocator(context), run);
    return NULL;
}

void infer_generation_close(infer_generation **generation)
{
    infer_generation *run = *generation;
    *generation = NULL;
    if (!run)
        return;
    const infer_allocator *a = run->g.a;
    tear_down(run);
    mem_free(a, run);
}

infer_status infer_generation_next(infer_generation *generation, infer_piece *piece, infer_error *err)
{
    if (!generation || !piece || piece->size < sizeof piece->size)
        return fail(err, INFER_E_ARGUMENT, "infer_generation_next needs a generation, and a piece with its size");
    infer_piece p = { .size = piece->size };
    struct text text;
    const infer_status status = next_piece(generation, &p.part, &text, err);
    p.text = text.p;
    p.length = text.n;
    memcpy(piece, &p, piece->size < sizeof p ? piece->size : sizeof p);
    return status;
}

void infer_generation_get_result(infer_generation *generation, infer_generate_result *result)
{
    generation_result(&generation->g, result);
}

infer_status infer_generate(infer_session *session, infer_sampler *sampler, const char *prompt, size_t length,
                            const infer_generate_options *options, infer_generate_result *result, infer_error *err)
{
    infer_generation run;
    struct text text;
    infer_chat_part part;
    infer_status status = prepare(&run, session, sampler, prompt, length, options, err);
    while (status == INFER_OK) {
        status = next_piece(&run, &part, &text, err);
        if (!text.p)
            break;
        if (run.g.o.on_text && !run.g.o.on_text(run.g.o.user, text.p, text.n)) {
            generation_stop(&run.g, INFER_STOP_CALLBACK);
            break;
        }
    }
    if (result)
        generation_result(&run.g, result);
    tear_down(&run);
    return status;
}
