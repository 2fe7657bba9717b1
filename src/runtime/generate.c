/* generate.c - drives one text's machine with one session, a token at a time.
 *
 * A token that was sampled is appended to the session at once, but evaluated only when the logits after it are needed:
 * the last one of a text costs no forward pass, and whatever is fed next evaluates it along. */
#include "src/base/context.h"
#include "src/base/error.h"
#include "src/engine/context.h"
#include "src/model/model.h"
#include "src/runtime/prompt.h"
#include "src/runtime/session.h"
#include "src/runtime/speculate.h"

struct infer_generation {
    const infer_allocator *a;
    struct generation g;
    struct speculator speculator;
    infer_session *session;
    struct prompt prompt;
    size_t length; /* of the session, as the last step left it */
    bool begun;    /* the prompt is evaluated */
    bool over;     /* its end was told */
    infer_status status; /* of the step that failed, told after the text before it */
    infer_error error;
};

/* ---- The prompt ---- */

static infer_status begin(infer_generation *run, infer_session *session, infer_sampler *sampler, const void *prompt,
                          size_t length, const infer_generate_options *options, infer_error *err)
{
    if (!session || !sampler || (!prompt && length))
        return fail(err, INFER_E_ARGUMENT, "generation needs a session, a sampler and a prompt; found NULL");
    run->session = session;
    run->length = infer_session_length(session);
    const infer_status status = generation_open(&run->g, session_model(session), sampler, options, err);
    return status == INFER_OK ? speculator_open(&run->speculator, session, sampler, run->g.o.speculation, err) : status;
}

static infer_status prepare(infer_generation *run, infer_session *session, infer_sampler *sampler, const char *prompt,
                            size_t length, const infer_generate_options *options, infer_error *err)
{
    const infer_status status = begin(run, session, sampler, prompt, length, options, err);
    return status == INFER_OK ? prompt_read(&run->prompt, &run->g, session, prompt, length, err) : status;
}

static infer_status prepare_chat(infer_generation *run, infer_chat *chat, infer_session *session,
                                 infer_sampler *sampler, const char *messages, size_t n,
                                 const infer_generate_options *options, infer_error *err)
{
    char *prompt = NULL;
    infer_status status = begin(run, session, sampler, messages, n, options, err);
    if (status == INFER_OK && (!chat || !messages || chat->model != session_model(session)))
        return fail(err, INFER_E_ARGUMENT, "an answer needs messages, and a conversation with the session's model");
    if (status != INFER_OK)
        return status;
    status = chat_write_prompt(chat, messages, n, &prompt, err);
    if (status == INFER_OK)
        status = prompt_read_conversation(&run->prompt, &run->g, session, prompt, err);
    if (status == INFER_OK)
        status = generation_answer(&run->g, chat, prompt, err);
    mem_free(run->g.a, prompt);
    return status;
}

static void tear_down(infer_generation *run)
{
    prompt_close(&run->prompt);
    speculator_close(&run->speculator);
    generation_close(&run->g);
}

/* ---- Tokens ---- */

/* Have the logits after the last token. */
static infer_status logits_ready(infer_generation *run, infer_error *err)
{
    infer_session *const s = run->session;
    struct speculator *const p = &run->speculator;
    if (infer_session_logits(s))
        return INFER_OK;
    session_await(s);
    const infer_status status = p->s ? speculator_advance(p, err) : infer_session_eval(s, NULL, 0, err);
    run->g.r.n_drafted = p->n_drafted;
    run->g.r.n_accepted = p->n_accepted;
    return status;
}

/* The context is full. At least one token stays, whose logits choose the next. */
static infer_status make_room(infer_generation *run, infer_error *err)
{
    const size_t n = infer_session_length(run->session), keep = run->g.o.n_full_keep;
    if (run->g.o.on_full != INFER_FULL_SHIFT)
        return fail(err, INFER_E_FULL, "the context of %zu tokens is full", n);
    if (keep >= n || n - keep < 2)
        return fail(err, INFER_E_FULL, "the context of %zu tokens is full, and %zu are to be kept", n, keep);
    return infer_session_shift(run->session, keep, (n - keep) / 2, err);
}

/* The prompt, or a token. */
static infer_status advance(infer_generation *run, infer_error *err)
{
    infer_session *s = run->session;
    if (infer_session_length(s) != run->length)
        return fail(err, INFER_E_ARGUMENT, "the session has %zu tokens, but its generation left it with %zu",
                    infer_session_length(s), run->length);
    infer_status status = run->begun ? INFER_OK : prompt_eval(&run->prompt, err);
    if (status == INFER_OK && !run->begun)
        speculator_begin(&run->speculator);
    run->begun = run->begun || status == INFER_OK;
    run->length = infer_session_length(s);
    const size_t room = infer_session_capacity(s) - run->length;
    if (status != INFER_OK || !generation_wants(&run->g, room + (run->g.o.on_full != INFER_FULL_STOP)))
        return status;
    if (!room)
        status = make_room(run, err);
    if (status == INFER_OK)
        status = logits_ready(run, err);
    run->length = infer_session_length(s);
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
static infer_status next_piece(infer_generation *run, struct piece *piece, infer_error *err)
{
    *piece = (struct piece){ .text = { NULL, 0 } };
    while (!generation_piece(&run->g, piece)) {
        if (run->g.ended && run->status == INFER_OK && run->g.truncated)
            run->status = fail_memory(&run->error, "the end of the text");
        if (run->g.ended)
            return run->status ? fail(err, run->status, "%s", run->error.message) : INFER_OK;
        run->status = advance(run, &run->error);
        if (run->status != INFER_OK)
            generation_stop(&run->g, INFER_STOP_ERROR);
    }
    return INFER_OK;
}

/* ---- Fetched ---- */

static infer_generation *keep_if(infer_generation *run, infer_status status)
{
    if (run && status != INFER_OK)
        infer_generation_close(&run);
    return run;
}

static infer_generation *make(const infer_session *session, infer_error *err)
{
    if (!session)
        return fail_null(err, INFER_E_ARGUMENT, "generation needs a session; found NULL");
    infer_context *context = session_model(session)->context;
    infer_generation *run = mem_new(context_allocator(context), 1, sizeof *run);
    if (run)
        run->a = context_allocator(context);
    else
        fail_memory(err, "a generation");
    return run;
}

infer_generation *infer_generation_open(infer_session *session, infer_sampler *sampler, const char *prompt,
                                        size_t length, const infer_generate_options *options, infer_error *err)
{
    infer_generation *run = make(session, err);
    return keep_if(run, run ? prepare(run, session, sampler, prompt, length, options, err) : INFER_E_NOMEM);
}

infer_generation *infer_generation_open_chat(infer_chat *chat, infer_session *session, infer_sampler *sampler,
                                             const char *messages, size_t n, const infer_generate_options *options,
                                             infer_error *err)
{
    infer_generation *run = make(session, err);
    return keep_if(run, run ? prepare_chat(run, chat, session, sampler, messages, n, options, err) : INFER_E_NOMEM);
}

void infer_generation_close(infer_generation **generation)
{
    infer_generation *run = *generation;
    *generation = NULL;
    if (!run)
        return;
    const infer_allocator *a = run->a;
    tear_down(run);
    mem_free(a, run);
}

infer_status infer_generation_next(infer_generation *generation, infer_piece *piece, infer_error *err)
{
    if (!generation || !piece || piece->size < sizeof piece->size)
        return fail(err, INFER_E_ARGUMENT, "infer_generation_next needs a generation, and a piece with its size");
    infer_piece p = { .size = piece->size };
    struct piece next;
    const infer_status status = next_piece(generation, &next, err);
    p.part = next.part;
    p.text = next.text.p;
    p.length = next.text.n;
    if (!next.text.p && !generation->over)
        infer_session_uncancel(generation->session); /* came too late */
    generation->over |= !next.text.p;
    memcpy(piece, &p, piece->size < sizeof p ? piece->size : sizeof p);
    return status;
}

void infer_generation_get_result(infer_generation *generation, infer_generate_result *result)
{
    generation_result(&generation->g, result);
}

const char *infer_generation_message(infer_generation *generation, size_t *length, infer_error *err)
{
    struct text json = { NULL, 0 };
    if (!generation || !generation->g.turn.chat)
        fail(err, INFER_E_ARGUMENT, "only an answer of a conversation has a message");
    else
        message_write(&generation->g.turn.message, &json, err);
    if (length)
        *length = json.n;
    return json.p;
}

/* ---- Received ---- */

/* `status`: of preparing it. */
static infer_status run_through(infer_generation *run, infer_status status, infer_generate_result *result,
                                infer_error *err)
{
    struct text message;
    struct piece piece;
    while (status == INFER_OK) {
        status = next_piece(run, &piece, err);
        if (!piece.text.p)
            break;
        if (!generation_tell(&run->g, &piece)) {
            generation_stop(&run->g, INFER_STOP_CALLBACK);
            break;
        }
    }
    if (run->g.turn.chat && run->begun && run->g.o.on_message) {
        const infer_status written = message_write(&run->g.turn.message, &message, status ? NULL : err);
        if (written == INFER_OK)
            run->g.o.on_message(run->g.o.user, message.p, message.n);
        status = status ? status : written;
    }
    if (result)
        generation_result(&run->g, result);
    if (run->session)
        infer_session_uncancel(run->session); /* came too late */
    tear_down(run);
    return status;
}

infer_status infer_generate(infer_session *session, infer_sampler *sampler, const char *prompt, size_t length,
                            const infer_generate_options *options, infer_generate_result *result, infer_error *err)
{
    infer_generation run = { 0 };
    return run_through(&run, prepare(&run, session, sampler, prompt, length, options, err), result, err);
}

infer_status infer_generate_chat(infer_chat *chat, infer_session *session, infer_sampler *sampler, const char *messages,
                                 size_t n, const infer_generate_options *options, infer_generate_result *result,
                                 infer_error *err)
{
    infer_generation run = { 0 };
    return run_through(&run, prepare_chat(&run, chat, session, sampler, messages, n, options, err), result, err);
}
