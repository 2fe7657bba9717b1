/* metrics.c - GET /metrics: what Prometheus reads (text format 0.0.4). */
#include "service/own.h"
#include "service/route.h"
#include "service/service.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void head(struct text *t, const char *name, const char *type, const char *help)
{
    text_printf(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct text *t, const char *name, const char *type, const char *help, double value)
{
    head(t, name, type, help);
    text_printf(t, "%s %.17g\n", name, value);
}

static void histogram(struct text *t, const char *name, const char *help, struct histogram *h)
{
    unsigned long long all = 0;
    head(t, name, "histogram", help);
    for (size_t i = 0; i < N_BOUNDS; i++) {
        all += atomic_load(&h->count[i]);
        text_printf(t, "%s_bucket{le=\"%g\"} %llu\n", name, histogram_bound(i), all);
    }
    all += atomic_load(&h->count[N_BOUNDS]);
    text_printf(t, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name, all, name,
                (double)atomic_load(&h->nanoseconds) * 1e-9, name, all);
}

static void requests(struct text *t, struct figures *f)
{
    const struct route *r;
    head(t, "infer_requests_total", "counter", "Requests answered, by route and class of status.");
    for (size_t i = 0; (r = route_at(i)); i++)
        for (int class = 1; class < N_CLASSES; class++) {
            const unsigned long long n = atomic_load(&f->requests[i][class]);
            if (n)
                text_printf(t, "infer_requests_total{method=\"%s\",route=\"%s\",status=\"%dxx\"} %llu\n", r->method,
                            r->path, class, n);
        }
    text_printf(t, "infer_requests_total{method=\"\",route=\"\",status=\"4xx\"} %llu\n", atomic_load(&f->refused));
}

/* A label's value: quotes and backslashes in names of models are left out. */
static void label(char *to, size_t max, const char *from)
{
    size_t n = 0;
    for (; *from && n + 1 < max; from++)
        if (*from != '"' && *from != '\\' && *from != '\n')
            to[n++] = *from;
    to[n] = '\0';
}

struct per_model {
    struct text weights, kv, running, queued, aside, steps;
};

static void one_model(void *user, const struct served *s)
{
    struct per_model *const p = user;
    infer_scheduler_info info = { .size = sizeof info };
    infer_model_info model = { .size = sizeof model };
    char name[256];
    if (!s->model || s->busy)
        return;
    label(name, sizeof name, s->id);
    infer_model_get_info(s->model, &model);
    if (s->scheduler)
        infer_scheduler_get_info(s->scheduler, &info);
#define LINE(text, metric, format, value) text_printf(&p->text, metric "{model=\"%s\"} " format "\n", name, value)
    text_printf(&p->weights, "infer_memory_bytes{kind=\"weights\",device=\"cpu\",model=\"%s\"} %llu\n", name,
                (unsigned long long)model.bytes);
    text_printf(&p->kv, "infer_memory_bytes{kind=\"kv\",device=\"cpu\",model=\"%s\"} %llu\n", name,
                (unsigned long long)info.kv_bytes);
    LINE(running, "infer_texts_running", "%zu", info.n_running);
    LINE(queued, "infer_requests_queued", "%zu", info.n_queued);
    LINE(aside, "infer_texts_aside", "%zu", info.n_aside);
    LINE(steps, "infer_steps_total", "%llu", (unsigned long long)info.n_steps);
#undef LINE
}

static void add_lines(struct text *t, const char *name, const char *type, const char *help, struct text *lines)
{
    head(t, name, type, help);
    text_add(t, text_string(lines), lines->n);
    text_free(lines);
}

/* Bytes of the process that are in memory; 0 where that is not told. */
static double resident(void)
{
    unsigned long long size = 0, pages = 0;
    FILE *const f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%llu %llu", &size, &pages) != 2)
        pages = 0;
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void models(struct text *t, infer_service *s)
{
    struct per_model p = { 0 };
    infer_cache_stats cache = { .size = sizeof cache };
    models_each(&s->models, one_model, &p);
    infer_cache_get_stats(s->models.cache, &cache);
    text_add(&p.weights, text_string(&p.kv), p.kv.n);
    text_free(&p.kv);
    add_lines(t, "infer_memory_bytes", "gauge", "Bytes taken, by kind, device and model; weights are mapped.",
              &p.weights);
    add_lines(t, "infer_texts_running", "gauge", "Texts that are being computed.", &p.running);
    add_lines(t, "infer_requests_queued", "gauge", "Requests that wait for their first turn.", &p.queued);
    add_lines(t, "infer_texts_aside", "gauge", "Texts that wait for memory or for their turn again.", &p.aside);
    add_lines(t, "infer_steps_total", "counter", "Steps computed.", &p.steps);
    number(t, "infer_models_open", "gauge", "Models that are open, but for the one inside the library.",
           (double)cache.models);
    number(t, "infer_model_loads_total", "counter", "Models opened.", (double)cache.loads);
    number(t, "infer_model_evictions_total", "counter", "Models closed to make room.", (double)cache.evictions);
}

static void store(struct text *t, infer_store *store)
{
    infer_store_stats s = { .size = sizeof s };
    if (!store)
        return;
    infer_store_get_stats(store, &s);
    number(t, "infer_store_bytes", "gauge", "Bytes of the prefix store's files.", (double)s.bytes);
    number(t, "infer_store_hits_total", "counter", "Texts whose beginning was found in the store.", (double)s.hits);
    number(t, "infer_store_misses_total", "counter", "Texts of which it had nothing.", (double)s.misses);
    number(t, "infer_store_failures_total", "counter", "Texts that could not be written.", (double)s.failures);
}

void metrics(infer_exchange *x)
{
    infer_service *const s = x->service;
    struct figures *const f = &s->figures;
    struct text t = { 0 };
    requests(&t, f);
    number(&t, "infer_requests_busy", "gauge", "Requests that are not at their end.", (double)infer_service_busy(s));
    number(&t, "infer_requests_cancelled_total", "counter", "Answers that broke off.",
           (double)atomic_load(&f->cancelled));
    number(&t, "infer_prompt_tokens_total", "counter", "Tokens of prompts that were computed.",
           (double)atomic_load(&f->n_prompt));
    number(&t, "infer_cached_tokens_total", "counter", "Tokens of prompts that were there already.",
           (double)atomic_load(&f->n_cached));
    number(&t, "infer_generated_tokens_total", "counter", "Tokens generated.", (double)atomic_load(&f->n_generated));
    histogram(&t, "infer_queue_seconds", "From a request to its first turn.", &f->queue);
    histogram(&t, "infer_first_token_seconds", "From a request to its first token.", &f->first_token);
    histogram(&t, "infer_inter_token_seconds", "From one piece of a text to the next.", &f->inter_token);
    histogram(&t, "infer_request_seconds", "From a request to the end of its answer.", &f->request);
    models(&t, s);
    store(&t, s->options.store);
    number(&t, "process_resident_memory_bytes", "gauge", "Memory of the process that is resident.", resident());
    number(&t, "process_start_time_seconds", "gauge", "When the service was opened, since 1970.", (double)s->started);
    if (t.failed)
        exchange_fail(x, 500, NULL, NULL, "no memory for the figures");
    else
        exchange_answer(x, 200, "text/plain; version=0.0.4; charset=utf-8", t.v, t.n);
    text_free(&t);
}
