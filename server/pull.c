/* pull.c - models of a hub: the first one, and those that POST /api/pull asks for. */
#include "server/pull.h"

#include "tools/common/failure.h"
#include "tools/pull/show.h"

#include <stdio.h>
#include <stdlib.h>

char *pull_first(const struct server_options *o, bool (*go_on)(void), infer_error *err)
{
    return pull_named(&o->pull, false, go_on, err);
}

/* Who waits for a model, and what was told. */
struct asked {
    infer_pull_progress_fn *progress;
    void *pull;
    enum pull_state state;
    double told; /* when */
    bool whole;  /* that all bytes of the file are there */
};

/* Ollama's words. Bytes come in many small pieces: of those a few a second are told. */
static bool tell(void *user, const struct pull_progress *p)
{
    struct asked *a = user;
    char status[600], digest[PULL_MOST_NAME + 8];
    const bool known = p->blob != NULL, whole = known && p->done == p->size;
    if (p->state == a->state && whole == a->whole && seconds_now() - a->told < 0.25)
        return true;
    a->state = p->state;
    a->whole = whole;
    a->told = seconds_now();
    switch (p->state) {
    case PULL_LISTING: snprintf(status, sizeof status, "pulling manifest"); break;
    case PULL_WAITING: snprintf(status, sizeof status, "trying again: %s", p->trouble); break;
    case PULL_LOCKED: snprintf(status, sizeof status, "waiting for who pulls it already"); break;
    case PULL_FETCHED: snprintf(status, sizeof status, "verifying sha256 digest"); break;
    default: snprintf(status, sizeof status, "pulling %.12s", known ? p->blob : "");
    }
    snprintf(digest, sizeof digest, "%s%s", known && strlen(p->blob) == 64 ? "sha256:" : "", known ? p->blob : "");
    return a->progress(a->pull, status, known ? digest : NULL, p->done, p->size);
}

/* A request must not make this machine ask others than the hub: names are names there. Clients put ":latest" behind
 * those without a tag. */
static infer_status read_name(char *name, size_t size, const char *asked, infer_error *err)
{
    const size_t n = strlen(asked);
    if (n >= size || strstr(asked, "://"))
        return failure(err, INFER_E_ARGUMENT, "\"%.200s\" is no name of a model, expected ORG/REPO[:TYPE]", asked);
    strcpy(name, asked);
    if (n > 7 && !strcmp(name + n - 7, ":latest"))
        name[n - 7] = 0;
    return INFER_OK;
}

infer_status pull_asked(void *user, const char *name, infer_pull_progress_fn *progress, void *pull, infer_error *err)
{
    const struct server_options *o = user;
    struct asked a = { .progress = progress, .pull = pull };
    struct pull_settings settings = o->pull;
    struct pull_result result = { 0 };
    struct pull_setup setup;
    char what[PULL_MOST_URL];
    settings.cache = o->model_dirs.item[0];
    settings.file = NULL;
    infer_status status = read_name(what, sizeof what, name, err);
    if (status == INFER_OK)
        status = pull_setup_open(&setup, &settings, err);
    if (status != INFER_OK)
        return status;
    setup.o.on_progress = tell;
    setup.o.user = &a;
    status = pull_model(what, &setup.o, &result, err);
    pull_free(&result);
    pull_setup_close(&setup);
    return status;
}
