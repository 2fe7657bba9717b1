/* main.c - the suite speculation: what guessing tokens gains and costs, with the model of $INFER_MODEL (else the one in
 * the library) and, if there is $INFER_DRAFT, with that as its draft; on $INFER_THREADS threads.
 *
 * A text is a list of tokens that is written whatever the logits are, so that it can be as repetitive, and a draft as
 * good, as the case says, with any model. Cases:
 *
 *     check/N            a step of one token and N - 1 guesses, as speculation computes them or as a batch
 *     copy/every:N       the text is that of the prompt, but each Nth token on average is another one
 *     random             no token has to do with others
 *     draft/right:P      each token is the one that the draft finds likeliest with a probability of P %, else any */
#include "benches/shim.h"
#include "src/model/model.h"
#include "src/runtime/speculate.h"

#include <stdio.h>
#include <stdlib.h>

enum { PROMPT = 256, TEXT = 128, CONTEXT = PROMPT + 3 * TEXT };

enum how { PLAIN, LOOKUP, LOOKUP_BATCH, DRAFT, DRAFT_BATCH, HOWS };

static struct {
    infer_context *context;
    infer_model *model, *draft;
    infer_session *session, *drafts;
    infer_sampler *sampler;
    int32_t n_vocab;
} with;

struct run {
    enum how how;
    int every, right; /* 0: not of that kind; right: per cent, -1 */
    uint32_t n_columns;
};

static uint32_t state;

static uint32_t chance(uint32_t n)
{
    state = state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)state * n >> 32);
}

static void must(bool good, const infer_error *err)
{
    if (good)
        return;
    fprintf(stderr, "speculation: %s\n", err->message);
    exit(1);
}

static infer_session *open_session(infer_model *m)
{
    infer_error err = { 0 };
    infer_session_options o = infer_session_defaults();
    o.n_ctx = CONTEXT;
    infer_session *s = infer_session_open(m, &o, &err);
    must(s, &err);
    return s;
}

static infer_model *open_model(const char *path)
{
    infer_error err = { 0 };
    infer_model *m = path ? infer_model_open(with.context, path, NULL, &err)
                          : infer_model_open_default(with.context, NULL, &err);
    must(m, &err);
    return m;
}

static void open_all(void)
{
    infer_error err = { 0 };
    infer_context_options c = infer_context_defaults();
    infer_sampler_options o = infer_sampler_defaults();
    const char *const threads = getenv("INFER_THREADS"), *const draft = getenv("INFER_DRAFT");
    if (with.context)
        return;
    c.n_threads = threads ? atoi(threads) : 0;
    o.temperature = 0;
    with.context = infer_context_open(&c, &err);
    must(with.context, &err);
    with.model = open_model(getenv("INFER_MODEL"));
    with.n_vocab = (int32_t)with.model->net.h.n_vocab;
    with.session = open_session(with.model);
    with.draft = draft ? open_model(draft) : NULL;
    with.drafts = draft ? open_session(with.draft) : NULL;
    with.sampler = infer_sampler_open(with.context, &o, &err);
    must(with.sampler, &err);
}

/* ---- A step ---- */

static void run_check(struct bench *b, const void *arg)
{
    const struct run *r = arg;
    int32_t ids[PROMPT + 32];
    struct advance a;
    open_all();
    state = 1;
    for (int i = 0; i < PROMPT + 32; i++)
        ids[i] = (int32_t)chance((uint32_t)with.n_vocab);
    infer_session *const s = with.session;
    bool good = infer_session_rewind(s, 0, NULL) == INFER_OK && infer_session_eval(s, ids, PROMPT, NULL) == INFER_OK &&
                ahead_open(s, r->n_columns, NULL) == INFER_OK;
    while (bench_next(b)) {
        good = good && infer_session_rewind(s, PROMPT, NULL) == INFER_OK;
        good = good && session_append(s, ids[PROMPT], NULL) == INFER_OK;
        good = good && ahead_prepare(s, &ids[PROMPT + 1], r->n_columns - 1, &a, NULL) == INFER_OK;
        a.alone = r->how != LOOKUP_BATCH;
        good = good && advance_all(&a, 1, NULL) == INFER_OK;
    }
    ahead_close(s);
    if (!good)
        bench_skip(b, "a step fails");
    bench_items(b, r->n_columns);
}

/* ---- A text ---- */

static void make_copy(const struct run *r, int32_t *ids)
{
    for (int i = 0; i < PROMPT; i++)
        ids[i] = (int32_t)chance((uint32_t)with.n_vocab);
    for (int i = PROMPT; i < PROMPT + TEXT; i++)
        ids[i] = r->every && chance((uint32_t)r->every) ? ids[i - PROMPT] : (int32_t)chance((uint32_t)with.n_vocab);
}

static int32_t likeliest(const infer_session *s)
{
    return infer_sampler_sample(with.sampler, infer_session_logits(s), with.n_vocab);
}

static bool make_drafted(const struct run *r, int32_t *ids)
{
    infer_session *const s = with.drafts;
    bool good = infer_session_rewind(s, 0, NULL) == INFER_OK && infer_session_eval(s, ids, PROMPT, NULL) == INFER_OK;
    for (int i = PROMPT; good && i < PROMPT + TEXT; i++) {
        ids[i] = chance(100) < (uint32_t)r->right ? likeliest(s) : (int32_t)chance((uint32_t)with.n_vocab);
        good = infer_session_eval(s, &ids[i], 1, NULL) == INFER_OK;
    }
    return good;
}

/* The tokens behind the prompt, which is evaluated, as generation appends them. */
static bool write_text(struct speculator *p, infer_session *s, const int32_t *ids)
{
    bool good = true;
    for (int i = PROMPT; good && i < PROMPT + TEXT; i++) {
        if (!infer_session_logits(s))
            good = (p->s ? speculator_advance(p, NULL) : infer_session_eval(s, NULL, 0, NULL)) == INFER_OK;
        good = good && session_append(s, ids[i], NULL) == INFER_OK;
    }
    return good;
}

static void run_text(struct bench *b, const void *arg)
{
    const struct run *r = arg;
    int32_t ids[PROMPT + TEXT];
    infer_error err = { 0 };
    infer_speculation o = infer_speculation_defaults();
    struct speculator p;
    open_all();
    state = 1;
    make_copy(r, ids);
    infer_session *const s = with.session;
    bool good = r->right < 0 || make_drafted(r, ids);
    o.no_lookup = r->how >= DRAFT;
    o.draft = r->how >= DRAFT ? with.drafts : NULL;
    o.as_batch = r->how == LOOKUP_BATCH || r->how == DRAFT_BATCH;
    good = good && infer_session_rewind(s, 0, NULL) == INFER_OK && infer_session_eval(s, ids, PROMPT, NULL) == INFER_OK;
    while (good && bench_next(b)) {
        bench_pause(b);
        const int32_t last = ids[PROMPT - 1]; /* its logits are those of the prompt */
        good = infer_session_rewind(s, PROMPT - 1, NULL) == INFER_OK;
        good = good && infer_session_eval(s, &last, 1, NULL) == INFER_OK;
        must(speculator_open(&p, s, with.sampler, r->how == PLAIN ? NULL : &o, &err) == INFER_OK, &err);
        speculator_begin(&p);
        bench_resume(b);
        good = good && write_text(&p, s, ids);
        bench_pause(b);
        speculator_close(&p);
        bench_resume(b);
    }
    if (!good)
        bench_skip(b, "writing fails");
    bench_items(b, TEXT);
}

static void add_texts(const char *name, int every, int right)
{
    static const char *const hows[] = { "plain", "lookup", "lookup_as_batch", "draft", "draft_as_batch" };
    char full[128];
    for (int how = PLAIN; how < HOWS; how++) {
        const struct run r = { (enum how)how, every, right, 0 };
        if ((how >= DRAFT) != (right >= 0) && how != PLAIN)
            continue;
        snprintf(full, sizeof full, "%s/%s", name, hows[how]);
        bench_add(full, run_text, &r, sizeof r);
    }
}

int main(int argc, char **argv)
{
    static const uint32_t columns[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16 };
    static const int every[] = { 1000, 20, 8 }, right[] = { 100, 80, 50, 0 };
    char name[64];
    for (int batch = 0; batch < 2; batch++)
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
            const struct run r = { batch ? LOOKUP_BATCH : LOOKUP, 0, -1, columns[i] };
            snprintf(name, sizeof name, "check/%u/%s", r.n_columns, batch ? "as_batch" : "alone");
            bench_add(name, run_check, &r, sizeof r);
        }
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "copy/every:%d", every[i]);
        add_texts(name, every[i], -1);
    }
    add_texts("random", 0, -1);
    for (int i = 0; i < 4 && getenv("INFER_DRAFT"); i++) {
        snprintf(name, sizeof name, "draft/right:%d", right[i]);
        add_texts(name, 0, right[i]);
    }
    const int code = bench_main(argc, argv, NULL, 0);
    infer_sampler_close(&with.sampler);
    infer_session_close(&with.drafts);
    infer_session_close(&with.session);
    infer_model_close(&with.draft);
    infer_model_close(&with.model);
    infer_context_close(&with.context);
    return code;
}
