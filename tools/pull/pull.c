/* pull.c - models from a hub: what is meant, what of it is there, and what is left to fetch. */
#include "tools/pull/pull.h"

#include "tools/common/failure.h"
#include "tools/pull/fetch.h"

#include <stdio.h>
#include <stdlib.h>

struct pull {
    const struct pull_options *o;
    struct reference reference;
    struct cache cache;
    struct hub hub;
    struct listing listing;
    struct choice choice;
    struct progress progress;
    char *endpoint;
    struct pull_result *result;
};

/* ---- Listing ---- */

static bool go_on(void *user, const char *trouble)
{
    struct pull *p = user;
    const enum pull_state state = p->progress.now.state;
    p->progress.now.trouble = trouble;
    const bool on = progress_tell(&p->progress, trouble ? PULL_WAITING : state);
    p->progress.now.trouble = NULL;
    p->progress.now.state = state;
    return on;
}

static infer_status open_hub(struct pull *p, infer_error *err)
{
    const struct pull_options *o = p->o;
    const struct web_options options = {
        .endpoint = p->endpoint, .token = o->token, .ca_file = o->ca_file, .patience = o->patience,
        .retries = o->retries, .delay = o->delay, .go_on = go_on, .user = p,
    };
    p->hub = (struct hub){ .endpoint = p->endpoint, .reference = &p->reference, .has_token = o->token != NULL };
    p->hub.web = web_open(&options, err);
    return p->hub.web ? INFER_OK : err->code;
}

static infer_status choose(struct pull *p, infer_error *err)
{
    return listing_choose(&p->listing, &p->reference, &p->choice, err);
}

static infer_status list_cached(struct pull *p, infer_error *err)
{
    const infer_status status = cache_list(&p->cache, &p->reference, &p->listing, err);
    return status == INFER_OK ? choose(p, err) : status;
}

static infer_status list_online(struct pull *p, int retries, bool *passing, infer_error *err)
{
    p->hub.retries = retries;
    listing_close(&p->listing);
    progress_tell(&p->progress, PULL_LISTING);
    return hub_list(&p->hub, &p->listing, passing, err);
}

/* The hub is asked, since a branch moves on. If it cannot be reached, what there is of the model in the cache does, and
 * is looked for before the hub is asked once more. */
static infer_status list(struct pull *p, infer_error *err)
{
    bool passing;
    infer_error missing = { 0 };
    if (p->o->offline)
        return list_cached(p, err);
    infer_status status = open_hub(p, err);
    if (status == INFER_OK)
        status = list_online(p, 0, &passing, err);
    if (status == INFER_OK)
        return choose(p, err);
    if (!p->hub.web || !passing || status == INFER_E_CANCELLED)
        return status;
    listing_close(&p->listing);
    if (list_cached(p, &missing) == INFER_OK) {
        p->result->trouble = *err;
        return INFER_OK;
    }
    status = list_online(p, p->o->retries, &passing, err);
    return status == INFER_OK ? choose(p, err) : status;
}

/* ---- Fetching ---- */

static struct listed_file *chosen(struct pull *p, size_t i)
{
    return &p->listing.v[p->choice.v[i]];
}

/* See what is there, and what is left to do. */
static infer_status look(struct pull *p, infer_error *err)
{
    struct pull_progress *now = &p->progress.now;
    uint64_t needed = 0;
    for (size_t i = 0; i < p->choice.n; i++) {
        struct listed_file *f = chosen(p, i);
        infer_status status = f->known ? INFER_OK : hub_look_up(&p->hub, &p->listing, f, err);
        if (status != INFER_OK)
            return status;
        f->present |= cache_has_file(&p->cache, &p->listing, f) || cache_has_blob(&p->cache, f);
        if (f->present)
            continue;
        if (f->size > INT64_MAX - now->all_size)
            return failure(err, INFER_E_FORMAT, "%.300s: its size is said to be %llu bytes", f->path,
                           (unsigned long long)f->size);
        now->n_files++;
        now->all_size += f->size;
        needed += f->size - cache_begun(&p->cache, f);
    }
    const uint64_t room = cache_room(&p->cache);
    char a[FETCH_TEXT], b[FETCH_TEXT];
    if (needed > room && !p->o->dry)
        return failure(err, INFER_E_IO, "%.300s has room for %s, but %s are to come; HF_HUB_CACHE names another place",
                       p->o->cache, fetch_text(a, room), fetch_text(b, needed));
    return INFER_OK;
}

static infer_status fetch_all(struct pull *p, infer_error *err)
{
    struct pull_progress *now = &p->progress.now;
    infer_status status = cache_make(&p->cache, err);
    for (size_t i = 0; i < p->choice.n && status == INFER_OK; i++) {
        const struct listed_file *f = chosen(p, i);
        const uint64_t before = now->all_done;
        if (!f->present) {
            now->file = f->path;
            now->blob = f->blob;
            now->size = f->size;
            now->done = 0;
            status = fetch_blob(&p->hub, &p->cache, &p->listing, f, &p->progress, &p->result->fetched, err);
            now->all_done = before + f->size;
            now->index++;
        }
        if (status == INFER_OK)
            status = cache_link(&p->cache, &p->listing, f, err);
    }
    if (status == INFER_OK) /* without a note of the branch the model is there all the same */
        cache_refer(&p->cache, &p->reference, p->listing.commit, &(infer_error){ 0 });
    return status;
}

/* Whether nothing has to be written: then a cache that cannot be written to does, too. */
static bool is_complete(struct pull *p)
{
    for (size_t i = 0; i < p->choice.n; i++)
        if (!cache_has_file(&p->cache, &p->listing, chosen(p, i)))
            return false;
    return cache_refers(&p->cache, &p->reference, p->listing.commit);
}

/* ---- Result ---- */

static infer_status describe(struct pull *p, infer_error *err)
{
    struct pull_result *r = p->result;
    r->files = calloc(p->choice.n, sizeof *r->files);
    r->sizes = calloc(p->choice.n, sizeof *r->sizes);
    r->present = calloc(p->choice.n, sizeof *r->present);
    if (!r->files || !r->sizes || !r->present)
        return failure(err, INFER_E_NOMEM, "no memory for a list of %zu files", p->choice.n);
    snprintf(r->commit, sizeof r->commit, "%s", p->listing.commit);
    for (; r->n_files < p->choice.n; r->n_files++) {
        const struct listed_file *f = chosen(p, r->n_files);
        if (!(r->files[r->n_files] = strdup(f->path)))
            return failure(err, INFER_E_NOMEM, "no memory for a path");
        r->sizes[r->n_files] = f->size;
        r->present[r->n_files] = f->present;
    }
    return INFER_OK;
}

static infer_status name_result(struct pull *p, infer_error *err)
{
    p->result->path = cache_file(&p->cache, p->listing.commit, p->choice.directory ? "" : chosen(p, 0)->path);
    return p->result->path ? INFER_OK : failure(err, INFER_E_NOMEM, "no memory for a path");
}

static infer_status pull(struct pull *p, const char *what, infer_error *err)
{
    infer_status status = reference_read(&p->reference, what, p->endpoint, err);
    if (status == INFER_OK && p->o->file)
        snprintf(p->reference.file, sizeof p->reference.file, "%s", p->o->file);
    if (status == INFER_OK)
        status = cache_open(&p->cache, p->o->cache, &p->reference, err);
    if (status == INFER_OK)
        status = list(p, err);
    p->hub.retries = p->o->retries;
    if (status == INFER_OK)
        status = look(p, err);
    if (status == INFER_OK)
        status = describe(p, err);
    if (status != INFER_OK || p->o->offline || p->result->trouble.code != INFER_OK || is_complete(p))
        return status == INFER_OK ? name_result(p, err) : status;
    if (p->o->dry)
        return INFER_OK;
    status = fetch_all(p, err);
    return status == INFER_OK ? name_result(p, err) : status;
}

/* The address without slashes at its end. */
static char *trim(const char *endpoint)
{
    char *text = strdup(endpoint);
    for (size_t n = text ? strlen(text) : 0; n && text[n - 1] == '/'; n--)
        text[n - 1] = 0;
    return text;
}

infer_status pull_model(const char *what, const struct pull_options *options, struct pull_result *result,
                        infer_error *err)
{
    struct pull *p = calloc(1, sizeof *p);
    memset(result, 0, sizeof *result);
    infer_status status = INFER_OK;
    if (p) {
        p->o = options;
        p->result = result;
        p->progress = (struct progress){ .fn = options->on_progress, .user = options->user };
        p->endpoint = trim(options->endpoint && *options->endpoint ? options->endpoint : "https://huggingface.co");
    }
    if (!p || !p->endpoint)
        status = failure(err, INFER_E_NOMEM, "no memory for a download");
    else
        status = pull(p, what, err);
    for (char *c = status == INFER_OK ? "" : err->message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) /* of a server's: not for a terminal */
            *c = '?';
    if (p) {
        web_close(&p->hub.web);
        listing_close(&p->listing);
        choice_close(&p->choice);
        cache_close(&p->cache);
        free(p->endpoint);
    }
    free(p);
    return status;
}

void pull_free(struct pull_result *r)
{
    for (size_t i = 0; i < r->n_files; i++)
        free(r->files[i]);
    free(r->path);
    free(r->files);
    free(r->sizes);
    free(r->present);
    memset(r, 0, sizeof *r);
}
