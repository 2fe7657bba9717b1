/* hub.c - what a hub says of a repository and its files. */
#include "tools/pull/hub.h"

#include "tools/common/failure.h"
#include "tools/pull/digest.h"

#include <ctype.h>
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_JSON = 64 << 20, MOST_PARTS = 1000 };

/* ---- URLs ---- */

/* A path with %20 for a space and so on, between slashes or, if they are to be so too, all of it; for free(). */
static char *escape(const char *path, bool slashes)
{
    static const char digits[] = "0123456789ABCDEF";
    char *text = malloc(3 * strlen(path) + 1), *to = text;
    for (const unsigned char *c = (const unsigned char *)path; text && *c; c++) {
        if (isalnum(*c) || strchr("-._~", *c) || (*c == '/' && !slashes)) {
            *to++ = (char)*c;
        } else {
            *to++ = '%';
            *to++ = digits[*c >> 4];
            *to++ = digits[*c & 15];
        }
    }
    if (text)
        *to = 0;
    return text;
}

char *hub_url(const struct hub *hub, const struct listing *l, const struct listed_file *f)
{
    if (f->url)
        return strdup(f->url);
    char *path = escape(f->path, false), *url = NULL;
    if (!path || asprintf(&url, "%s/%s/resolve/%s/%s", hub->endpoint, hub->reference->repo, l->commit, path) < 0)
        url = NULL;
    free(path);
    return url;
}

static char *api_url(const struct hub *hub)
{
    const struct reference *r = hub->reference;
    char *revision = escape(r->revision, true), *url = NULL;
    if (!revision || asprintf(&url, "%s/api/models/%s/revision/%s?blobs=true", hub->endpoint, r->repo, revision) < 0)
        url = NULL;
    free(revision);
    return url;
}

/* ---- Refusals ---- */

infer_status hub_explain(const struct hub *hub, const struct web_answer *a, const char *file, infer_error *err)
{
    const char *name = hub->reference->repo, *endpoint = hub->endpoint;
    const bool token = hub->has_token;
    if (!*name || a->status < 400)
        return err->code;
    if (!strcmp(a->code, "GatedRepo"))
        return failure(err, INFER_E_UNKNOWN, "%s is handed out to who has accepted its terms: accept them at %s/%s, "
                       "then %s", name, endpoint, name, token ? "use a token of that account" : "set HF_TOKEN");
    if (!strcmp(a->code, "RevisionNotFound"))
        return failure(err, INFER_E_UNKNOWN, "%s has no branch, tag or commit %s", name, hub->reference->revision);
    if (!strcmp(a->code, "EntryNotFound") || (a->status == 404 && file))
        return failure(err, INFER_E_UNKNOWN, "%s has no file %.200s", name, file ? file : "of that name");
    if (!strcmp(a->message, "Access to this resource is disabled."))
        return failure(err, INFER_E_UNKNOWN, "%s was disabled by the hub", name);
    if (a->status == 401 && token && strcmp(a->code, "RepoNotFound") != 0)
        return failure(err, INFER_E_UNKNOWN, "%s: the hub does not know the token; make one at %s/settings/tokens and "
                       "set HF_TOKEN to it", name, endpoint);
    if (a->status == 401 || a->status == 404)
        return failure(err, INFER_E_UNKNOWN, "%s is not at %s, or %s", name, endpoint, token ?
                       "the token may not see it" : "not public: then set HF_TOKEN to a token that may see it");
    if (a->status == 403)
        return failure(err, INFER_E_UNKNOWN, "%s: the hub refuses it%s%s; %s", name, *a->message ? ": " : "",
                       a->message, token ? "the token needs the right to read it"
                                         : "set HF_TOKEN to a token that may read it");
    return err->code;
}

/* ---- The API's answer ---- */

static bool is_digest(const char *text, size_t digits)
{
    return text && strlen(text) == digits && digest_is_known(text);
}

/* {"rfilename": "model.gguf", "size": 5, "blobId": "git's SHA-1", "lfs": {"sha256": "...", "size": 5}}; older hubs say
 * the name alone. */
static infer_status read_file(struct listing *l, const json_t *item, size_t i, const char *repo, infer_error *err)
{
    const char *name = json_string_value(json_object_get(item, "rfilename"));
    const json_t *lfs = json_object_get(item, "lfs");
    const json_t *size = json_object_get(json_is_object(lfs) ? lfs : item, "size");
    const char *blob = json_is_object(lfs) ? json_string_value(json_object_get(lfs, "sha256"))
                                           : json_string_value(json_object_get(item, "blobId"));
    if (!name)
        return failure(err, INFER_E_FORMAT, "%s: siblings[%zu].rfilename is missing in what the hub says", repo, i);
    struct listed_file *f = listing_add(l, name);
    if (!f)
        return failure(err, INFER_E_NOMEM, "%s: no memory for %zu files, of %d at most", repo, i + 1, MOST_FILES);
    if (json_is_integer(size) && json_integer_value(size) < 0)
        return failure(err, INFER_E_FORMAT, "%s: the size of %.200s is %lld", repo, name,
                       (long long)json_integer_value(size));
    f->known = json_is_integer(size) && (is_digest(blob, 64) || is_digest(blob, 40));
    if (f->known) {
        f->size = (uint64_t)json_integer_value(size);
        strcpy(f->blob, blob);
    }
    return INFER_OK;
}

infer_status hub_read(struct listing *l, const char *json, size_t length, const char *repo, infer_error *err)
{
    json_error_t wrong;
    json_t *root = json_loadb(json, length, 0, &wrong);
    const char *commit = json_string_value(json_object_get(root, "sha"));
    const json_t *files = json_object_get(root, "siblings");
    infer_status status = INFER_OK;
    if (!root)
        status = failure(err, INFER_E_FORMAT, "%s: what the hub says is no JSON: %s, line %d", repo, wrong.text,
                         wrong.line);
    else if (!is_digest(commit, 40) && !is_digest(commit, 64))
        status = failure(err, INFER_E_FORMAT, "%s: sha is %.100s in what the hub says, expected 40 hexadecimal digits",
                         repo, commit ? commit : "missing");
    else if (!json_is_array(files))
        status = failure(err, INFER_E_FORMAT, "%s: siblings, the list of files, is missing in what the hub says", repo);
    else
        strcpy(l->commit, commit);
    for (size_t i = 0; status == INFER_OK && i < json_array_size(files); i++)
        status = read_file(l, json_array_get(files, i), i, repo, err);
    json_decref(root);
    return status;
}

static infer_status list_repo(const struct hub *hub, struct listing *l, struct web_answer *a, infer_error *err)
{
    size_t length;
    char *url = api_url(hub);
    if (!url)
        return failure(err, INFER_E_NOMEM, "no memory for a URL");
    char *json = web_text(hub->web, url, MOST_JSON, hub->retries, &length, a, err);
    const infer_status status = json ? hub_read(l, json, length, hub->reference->repo, err)
                                     : hub_explain(hub, a, NULL, err);
    free(url);
    free(json);
    return status;
}

/* ---- Files by themselves ---- */

/* Whether a name can be one in the cache: letters, digits, - _ and dots within. */
static bool is_blob(const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-_", text[i]) && (text[i] != '.' || !i))
            return false;
    return n > 0;
}

/* A hub's ETag is the checksum. Those of other servers may be the same for two files: there it is a hash of all that
 * tells files and versions apart. */
static void name_blob(struct listed_file *f, const struct web_answer *a)
{
    const char *etag = *a->linked_etag ? a->linked_etag : a->etag;
    char text[PULL_MOST_URL + 200], hex[DIGEST_HEX] = "";
    if (is_blob(etag) && (!f->url || *a->linked_etag)) {
        strcpy(f->blob, etag);
        return;
    }
    const size_t n = f->url ? strcspn(f->url, "?#") : 0;
    const int length = snprintf(text, sizeof text, "%.*s %s %llu", (int)n, f->url ? f->url : f->path, etag,
                                (unsigned long long)f->size);
    digest_text(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1, hex);
    snprintf(f->blob, sizeof f->blob, "etag-%s", hex);
}

static infer_status look(const struct hub *hub, const char *url, struct listed_file *f, struct web_answer *a,
                         infer_error *err)
{
    for (int failures = 1; web_ask(hub->web, WEB_HEAD, url, 0, NULL, NULL, a, err) != INFER_OK; failures++)
        if (failures > hub->retries || !web_wait(hub->web, a, failures, err))
            return hub_explain(hub, a, f->path, err);
    const int64_t size = a->linked_size >= 0 ? a->linked_size : a->length;
    if (size < 0)
        return failure(err, INFER_E_FORMAT, "%.400s: the server does not say how large it is", url);
    f->size = (uint64_t)size;
    name_blob(f, a);
    f->known = true;
    return INFER_OK;
}

infer_status hub_look_up(const struct hub *hub, const struct listing *l, struct listed_file *f, infer_error *err)
{
    struct web_answer a;
    char *url = hub_url(hub, l, f);
    if (!url)
        return failure(err, INFER_E_NOMEM, "no memory for a URL");
    const infer_status status = look(hub, url, f, &a, err);
    free(url);
    return status;
}

/* Put the number of a part into a name whose digits stand `tail` bytes, less one, before its end. */
static void set_part(char *name, size_t length, size_t tail, unsigned index)
{
    for (int i = 4; i >= 0 && tail <= length; i--, index /= 10)
        name[length - tail + 1 + (size_t)i] = (char)('0' + index % 10);
}

static infer_status list_url(const struct hub *hub, struct listing *l, struct web_answer *a, infer_error *err)
{
    const struct reference *r = hub->reference;
    struct part p = { 0 };
    const unsigned n = part_read(&p, r->file) ? p.count : 1;
    const size_t tail = strlen(r->file) - p.stem;
    if (n > MOST_PARTS)
        return failure(err, INFER_E_ARGUMENT, "%.300s: %u parts, expected %d at most", r->url, n, MOST_PARTS);
    for (unsigned i = 1; i <= n; i++) {
        struct listed_file *f = listing_add(l, r->file);
        if (!f || !(f->url = strdup(r->url)))
            return failure(err, INFER_E_NOMEM, "no memory for a list of %u files", n);
        if (p.count) {
            set_part(f->path, strlen(f->path), tail, i);
            set_part(f->url, strcspn(f->url, "?#"), tail, i);
        }
        const infer_status status = look(hub, f->url, f, a, err);
        if (status != INFER_OK)
            return status;
    }
    strcpy(l->commit, l->v[0].blob);
    return INFER_OK;
}

infer_status hub_list(const struct hub *hub, struct listing *l, bool *passing, infer_error *err)
{
    struct web_answer a = { 0 };
    const infer_status status = *hub->reference->url ? list_url(hub, l, &a, err) : list_repo(hub, l, &a, err);
    *passing = status != INFER_OK && a.passing;
    return status;
}
