/* web.c - one connection to a hub, by libcurl.
 *
 * Redirections are followed here: what the hub says of a file stands in the first answer, the token goes to the hub's
 * own origin only, and nothing leads from https to http. */
#include "tools/pull/web.h"

#include "tools/common/failure.h"
#include "tools/common/program.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

enum { MOST_REDIRECTIONS = 10, CONNECT_SECONDS = 20, LONGEST_WAIT = 60, MOST_REFUSAL = 1 << 20 };

struct web {
    struct web_options o;
    CURL *curl;
    struct curl_slist *plain, *authorized; /* headers; the latter only for the endpoint */
    char agent[40];
    /* Of the request that is under way: */
    struct web_answer *answer;
    web_body_fn *body;
    void *user;
    infer_error *err;
    uint64_t refused; /* bytes of a body that nobody wants */
    int64_t moved; /* bytes either way, and when that was seen last */
    double moved_at;
    bool cancelled, failed, stalled;
};

/* ---- What comes ---- */

/* The value of a header without blanks around it, cut to the room; what a terminal would obey is left out. */
static void copy_value(char *room, size_t size, const char *value, size_t n)
{
    while (n && strchr(" \t\r\n", value[n - 1]))
        n--;
    n = n < size ? n : size - 1;
    for (size_t i = 0; i < n; i++)
        room[i] = (unsigned char)value[i] < ' ' || value[i] == 127 ? '?' : value[i];
    room[n] = 0;
}

static void copy_etag(char *room, size_t size, const char *value, size_t n)
{
    const size_t skip = n > 2 && value[0] == 'W' && value[1] == '/' ? 2 : 0;
    copy_value(room, size, value + skip, n - skip);
    const size_t length = strlen(room);
    if (length >= 2 && room[0] == '"' && room[length - 1] == '"') {
        memmove(room, room + 1, length - 2);
        room[length - 2] = 0;
    }
}

static int64_t number(const char *value)
{
    char *end;
    const long long x = strtoll(value, &end, 10);
    return end == value || x < 0 ? -1 : x;
}

static void read_header(struct web_answer *a, const char *name, size_t n_name, const char *value, size_t n)
{
    char text[64];
    copy_value(text, sizeof text, value, n);
#define IS(word) (n_name == sizeof word - 1 && !strncasecmp(name, word, n_name))
    if (IS("etag"))
        copy_etag(a->etag, sizeof a->etag, value, n);
    else if (IS("x-linked-etag"))
        copy_etag(a->linked_etag, sizeof a->linked_etag, value, n);
    else if (IS("x-error-code"))
        copy_value(a->code, sizeof a->code, value, n);
    else if (IS("x-error-message"))
        copy_value(a->message, sizeof a->message, value, n);
    else if (IS("content-length"))
        a->length = number(text);
    else if (IS("x-linked-size"))
        a->linked_size = number(text);
    else if (IS("retry-after"))
        a->wait = number(text);
    else if (IS("content-range") && !strncasecmp(text, "bytes ", 6)) {
        const char *slash = strchr(text, '/');
        a->from = number(text + 6);
        a->total = slash ? number(slash + 1) : -1;
    }
#undef IS
}

/* A status line begins an answer; what an earlier one said of the file stays. */
static size_t on_header(char *data, size_t size, size_t n, void *user)
{
    struct web *h = user;
    struct web_answer *a = h->answer;
    n *= size;
    if (n > 5 && !strncasecmp(data, "HTTP/", 5)) {
        a->etag[0] = a->code[0] = a->message[0] = 0;
        a->length = a->from = a->total = a->wait = -1;
        return n;
    }
    const char *colon = memchr(data, ':', n);
    if (colon) {
        const char *value = colon + 1, *end = data + n;
        while (value < end && (*value == ' ' || *value == '\t'))
            value++;
        read_header(a, data, (size_t)(colon - data), value, (size_t)(end - value));
    }
    return n;
}

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    struct web *h = user;
    n *= size;
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &h->answer->status);
    if (h->answer->status < 200 || h->answer->status > 299 || !h->body)
        return (h->refused += n) < MOST_REFUSAL ? n : 0;
    h->failed = !h->body(h->user, h->answer, data, n, h->err);
    return h->failed ? 0 : n;
}

/* Called at least once a second, whatever comes. */
static int on_progress(void *user, curl_off_t all_down, curl_off_t down, curl_off_t all_up, curl_off_t up)
{
    struct web *h = user;
    const double now = seconds_now();
    (void)all_down, (void)all_up;
    if (down + up != h->moved) {
        h->moved = down + up;
        h->moved_at = now;
    }
    h->cancelled = !h->o.go_on(h->o.user, NULL);
    h->stalled = now - h->moved_at > h->o.patience;
    return h->cancelled || h->stalled;
}

/* ---- Whom it goes to ---- */

/* Part of a URL, for curl_free(); NULL: it has none. */
static char *url_part(const char *url, CURLUPart part)
{
    char *text = NULL;
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
        curl_url_get(u, part, &text, CURLU_DEFAULT_PORT);
    curl_url_cleanup(u);
    return text;
}

static bool same_part(const char *a, const char *b, CURLUPart part)
{
    char *x = url_part(a, part), *y = url_part(b, part);
    const bool same = x && y && !strcasecmp(x, y);
    curl_free(x);
    curl_free(y);
    return same;
}

static bool same_origin(const char *a, const char *b)
{
    return same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) && same_part(a, b, CURLUPART_PORT);
}

static bool has_scheme(const char *url, const char *scheme)
{
    char *found = url_part(url, CURLUPART_SCHEME);
    const bool has = found && !strcasecmp(found, scheme);
    curl_free(found);
    return has;
}

/* The host that a sentence names. */
static void host_of(const char *url, char *room, size_t size)
{
    char *host = url_part(url, CURLUPART_HOST);
    snprintf(room, size, "%s", host ? host : url);
    curl_free(host);
}

/* ---- Opening ---- */

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    *list = longer ? longer : *list;
    return longer;
}

static bool add_headers(struct web *h)
{
    const char *token = h->o.token;
    char *line = NULL;
    bool added = add_header(&h->plain, "Accept-Encoding: identity") &&
                 add_header(&h->authorized, "Accept-Encoding: identity");
    if (added && token) {
        added = asprintf(&line, "Authorization: Bearer %s", token) >= 0 && add_header(&h->authorized, line);
        free(line);
    }
    return added;
}

struct web *web_open(const struct web_options *options, infer_error *err)
{
    const char *token = options->token;
    for (const char *c = token ? token : ""; *c; c++)
        if (*c <= ' ' || *c >= 127) {
            failure(err, INFER_E_ARGUMENT, "the token for the hub has a byte %d, expected letters and digits", *c);
            return NULL;
        }
    struct web *h = calloc(1, sizeof *h);
    if (h) {
        h->o = *options;
        h->o.patience = options->patience > 0 ? options->patience : 30;
        h->curl = curl_easy_init();
        snprintf(h->agent, sizeof h->agent, "libinfer/%u.%u.%u", infer_version() >> 16, infer_version() >> 8 & 255,
                 infer_version() & 255);
    }
    if (!h || !h->curl || !add_headers(h)) {
        failure(err, INFER_E_NOMEM, "no memory for a connection");
        web_close(&h);
    }
    return h;
}

void web_close(struct web **h)
{
    if (*h) {
        curl_slist_free_all((*h)->plain);
        curl_slist_free_all((*h)->authorized);
        curl_easy_cleanup((*h)->curl);
        free(*h);
    }
    *h = NULL;
}

/* ---- Asking ---- */

static void prepare(struct web *h, enum web_method method, const char *url, uint64_t from)
{
    CURL *c = h->curl;
    char range[32];
    curl_easy_reset(c); /* keeps connections */
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_NOBODY, (long)(method == WEB_HEAD));
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, same_origin(url, h->o.endpoint) ? h->authorized : h->plain);
    curl_easy_setopt(c, CURLOPT_USERAGENT, h->agent);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256 * 1024L);
    curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    if (h->o.ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, h->o.ca_file);
    if (from) {
        snprintf(range, sizeof range, "%llu-", (unsigned long long)from);
        curl_easy_setopt(c, CURLOPT_RANGE, range);
    }
}

static bool is_passing(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return true;
    default: return false;
    }
}

static infer_status tell_code(struct web *h, CURLcode code, const char *url, infer_error *err)
{
    char host[128];
    host_of(url, host, sizeof host);
    h->answer->passing = is_passing(code) || (h->stalled && !h->cancelled);
    if (h->cancelled)
        return failure(err, INFER_E_CANCELLED, "cancelled");
    if (h->failed)
        return err->code;
    if (h->stalled)
        return failure(err, INFER_E_IO, "%s: nothing came for %d seconds", host, h->o.patience);
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return failure(err, INFER_E_IO, "%s: its certificate is not one to trust (%s); behind a proxy that has one of "
                       "its own SSL_CERT_FILE names what to trust", host, curl_easy_strerror(code));
    return failure(err, code == CURLE_OUT_OF_MEMORY ? INFER_E_NOMEM : INFER_E_IO, "%s: %s", host,
                   curl_easy_strerror(code));
}

static infer_status tell_status(struct web_answer *a, const char *url, infer_error *err)
{
    char host[128];
    host_of(url, host, sizeof host);
    a->passing = a->status == 408 || a->status == 429 || (a->status >= 500 && a->status != 501);
    return failure(err, a->passing ? INFER_E_IO : INFER_E_UNKNOWN, "%s answers %ld%s%s%s", host, a->status,
                   a->status == 429 ? " (too many requests)" : "", *a->message ? ": " : "", a->message);
}

/* Where to look instead, for free(); NULL with *err set if that cannot be. */
static char *elsewhere(struct web *h, const char *url, int n, infer_error *err)
{
    char *next = NULL;
    curl_easy_getinfo(h->curl, CURLINFO_REDIRECT_URL, &next);
    if (!next)
        failure(err, INFER_E_FORMAT, "%.300s: answers %ld without saying where to look", url, h->answer->status);
    else if (n == MOST_REDIRECTIONS)
        failure(err, INFER_E_FORMAT, "%.300s: leads on for more than %d times", url, MOST_REDIRECTIONS);
    else if (!has_scheme(next, "https") && !(has_scheme(next, "http") && has_scheme(url, "http")))
        failure(err, INFER_E_FORMAT, "%.200s: leads to %.200s, expected https", url, next);
    else if (!(next = strdup(next)))
        failure(err, INFER_E_NOMEM, "no memory for a URL");
    else
        return next;
    return NULL;
}

/* A server that is gone must not end the program by a signal: libcurl cannot see to that where there may be threads. */
static CURLcode perform(CURL *c)
{
    const struct timespec at_once = { 0 };
    sigset_t pipe, before;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    const CURLcode code = curl_easy_perform(c);
    if (!sigismember(&before, SIGPIPE))
        sigtimedwait(&pipe, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

/* One answer, which may be one to look elsewhere. */
static infer_status ask_here(struct web *h, enum web_method method, const char *url, uint64_t from, infer_error *err)
{
    struct web_answer *a = h->answer;
    if (!has_scheme(url, "https") && !has_scheme(url, "http"))
        return failure(err, INFER_E_ARGUMENT, "%.300s: expected a URL of https or http", url);
    prepare(h, method, url, from);
    h->refused = 0;
    h->moved = -1;
    h->stalled = false;
    h->moved_at = seconds_now();
    a->status = 0;
    const CURLcode code = perform(h->curl);
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &a->status);
    const bool unwanted = a->status >= 300 && !h->cancelled && !h->stalled; /* the body does not matter */
    return code == CURLE_OK || unwanted ? INFER_OK : tell_code(h, code, url, err);
}

infer_status web_ask(struct web *h, enum web_method method, const char *url, uint64_t from, web_body_fn *body,
                      void *user, struct web_answer *answer, infer_error *err)
{
    memset(answer, 0, sizeof *answer);
    answer->linked_size = -1;
    h->answer = answer;
    h->body = body;
    h->user = user;
    h->err = err;
    h->cancelled = h->failed = false;
    char *here = strdup(url);
    infer_status status = here ? INFER_OK : failure(err, INFER_E_NOMEM, "no memory for a URL");
    for (int n = 0; status == INFER_OK; n++) {
        status = ask_here(h, method, here, from, err);
        const bool leads_on = answer->status >= 300 && answer->status <= 399;
        const bool said = leads_on && method == WEB_HEAD && *answer->linked_etag && answer->linked_size >= 0;
        if (status != INFER_OK || said || !leads_on)
            break;
        char *next = elsewhere(h, here, n, err);
        status = next ? INFER_OK : err->code;
        free(here);
        here = next;
    }
    if (status == INFER_OK && answer->status >= 400)
        status = tell_status(answer, here, err);
    free(here);
    return status;
}

/* ---- Asking again ---- */

bool web_wait(struct web *h, const struct web_answer *answer, int failures, infer_error *err)
{
    if (err->code == INFER_E_CANCELLED || !answer->passing || failures > h->o.retries)
        return false;
    double seconds = h->o.delay;
    for (int i = 1; i < failures && seconds < LONGEST_WAIT; i++)
        seconds *= 2;
    if (answer->wait > seconds)
        seconds = (double)answer->wait;
    if (seconds > LONGEST_WAIT)
        seconds = LONGEST_WAIT;
    for (const double end = seconds_now() + seconds; (seconds = end - seconds_now()) > 0;) {
        const struct timespec moment = { 0, seconds < 0.1 ? (long)(seconds * 1e9) : 100000000 };
        if (!h->o.go_on(h->o.user, err->message)) {
            failure(err, INFER_E_CANCELLED, "cancelled");
            return false;
        }
        nanosleep(&moment, NULL);
    }
    return true;
}

struct text {
    char *p;
    size_t n, room, most;
};

static bool take_text(void *user, const struct web_answer *answer, const void *data, size_t n, infer_error *err)
{
    struct text *t = user;
    (void)answer;
    if (n > t->most - t->n) {
        failure(err, INFER_E_FORMAT, "the hub's answer has more than %zu bytes", t->most);
        return false;
    }
    if (t->room - t->n <= n) {
        const size_t room = 2 * (t->n + n) + 1024;
        char *more = realloc(t->p, room);
        if (!more) {
            failure(err, INFER_E_NOMEM, "no memory for %zu bytes", room);
            return false;
        }
        t->p = more;
        t->room = room;
    }
    memcpy(t->p + t->n, data, n);
    t->n += n;
    t->p[t->n] = 0;
    return true;
}

char *web_text(struct web *h, const char *url, size_t most, int retries, size_t *length, struct web_answer *answer,
                infer_error *err)
{
    struct text t = { .most = most };
    for (int failures = 1;; failures++) {
        t.n = 0;
        if (web_ask(h, WEB_GET, url, 0, take_text, &t, answer, err) == INFER_OK) {
            *length = t.n;
            return t.p ? t.p : calloc(1, 1);
        }
        if (failures > retries || !web_wait(h, answer, failures, err)) {
            free(t.p);
            return NULL;
        }
    }
}
