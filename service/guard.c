/* guard.c - keys and rates. */
#include "service/guard.h"

#include "service/route.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void guard_init(struct guard *g, const infer_service_options *options)
{
    g->keys = options->api_keys;
    g->n_keys = options->n_api_keys;
    g->rate = options->rate;
    pthread_mutex_init(&g->lock, NULL);
}

void guard_free(struct guard *g)
{
    pthread_mutex_destroy(&g->lock);
}

static const char *key_of(const infer_exchange *x)
{
    const char *const bearer = exchange_header(x, "Authorization");
    if (bearer && !strncasecmp(bearer, "Bearer ", 7))
        return bearer + 7 + strspn(bearer + 7, " ");
    return exchange_header(x, "x-api-key");
}

/* Takes as long for any key of the length that was sent: nothing is learned from how much of one was right. */
static bool same_key(const char *key, const char *sent, size_t n)
{
    const size_t n_key = strlen(key);
    unsigned char differs = n_key != n;
    for (size_t i = 0; i < n; i++)
        differs |= (unsigned char)(sent[i] ^ key[n_key ? i % n_key : 0]);
    return !differs;
}

static bool known_key(const struct guard *g, const char *sent)
{
    bool known = false;
    for (size_t i = 0; sent && i < g->n_keys; i++)
        known |= same_key(g->keys[i], sent, strlen(sent));
    return known;
}

/* FNV-1a, never 0. */
static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h ? h : 1;
}

/* Seconds until the caller may ask again; 0: now, and this counts. Of two names in one place the one that was there
 * less lately gives way. */
static double wait_of(struct guard *g, const char *name)
{
    const double now = service_seconds(), burst = fmax(1, g->rate / 6); /* ten seconds' worth at once */
    const uint64_t h = hash(name);
    pthread_mutex_lock(&g->lock);
    struct caller *c = &g->callers[h % N_CALLERS];
    struct caller *const other = &g->callers[(h >> 32) % N_CALLERS];
    if (c->name != h && (other->name == h || !other->name || other->when < c->when))
        c = other;
    if (c->name != h)
        *c = (struct caller){ h, burst, now };
    c->left = fmin(burst, c->left + (now - c->when) * g->rate / 60);
    c->when = now;
    const double wait = c->left >= 1 ? 0 : (1 - c->left) * 60 / g->rate;
    if (wait == 0)
        c->left--;
    pthread_mutex_unlock(&g->lock);
    return wait;
}

bool guard_allows(struct guard *g, infer_exchange *x)
{
    const char *const key = key_of(x);
    if (x->route->flags & OPEN)
        return true;
    if (g->n_keys && !known_key(g, key)) {
        exchange_set_header(x, "WWW-Authenticate", "Bearer");
        exchange_fail(x, 401, NULL, "invalid_api_key", "%s: send it as \"Authorization: Bearer KEY\"",
                      key ? "the API key is none of this server's" : "an API key is needed");
        return false;
    }
    const double wait = g->rate > 0 ? wait_of(g, g->n_keys ? key : x->peer ? x->peer : "") : 0;
    if (wait > 0) {
        char seconds[32];
        snprintf(seconds, sizeof seconds, "%.0f", ceil(wait));
        exchange_set_header(x, "Retry-After", seconds);
        exchange_fail(x, 429, NULL, "rate_limit_exceeded", "more than %g requests a minute; the next one in %s s",
                      g->rate, seconds);
        return false;
    }
    return true;
}
