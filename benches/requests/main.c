/* main.c - the suite requests: what a scheduler makes of many requests, which are not measured one by one.
 *
 *     bench_requests [-m MODEL] [-t THREADS] [-n REQUESTS] [-r RUNNING] [-p LONG_PROMPT] [-i MAX_ITL_MS]
 *
 * First so many requests of random lengths, of which twice as many are there as are computed at once: tokens a second,
 * the times to the first token and from one to the next, and how memory grows. Then four texts, and a long prompt that
 * comes between, with and without a bound. Without MODEL: the model inside the library. */
#include "infer.h"
#include "tools/common/program.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_PROMPT = 128, MOST_TEXT = 64, N_SAMPLES = 40, N_TEXTS = 4 };

static struct {
    const char *model;
    int n_threads, n_requests, n_running, n_long;
    double max_itl_ms;
} o = { .n_threads = 2, .n_requests = 10000, .n_running = 32, .n_long = 3000, .max_itl_ms = 10 };

static void must(bool good, const infer_error *err)
{
    if (good)
        return;
    fprintf(stderr, "requests: %s\n", err->message);
    exit(1);
}

/* ---- Figures ---- */

struct times {
    float *seconds;
    size_t n, room;
};

static void add_time(struct times *t, double seconds)
{
    if (t->n < t->room)
        t->seconds[t->n++] = (float)seconds;
}

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *what, struct times *t)
{
    const float *s = t->seconds;
    qsort(t->seconds, t->n, sizeof *s, compare);
    printf("%-28s p50 %8.2f ms   p95 %8.2f ms   p99 %8.2f ms   most %8.2f ms\n", what, 1e3 * (double)s[t->n / 2],
           1e3 * (double)s[t->n * 95 / 100], 1e3 * (double)s[t->n * 99 / 100], 1e3 * (double)s[t->n - 1]);
}

/* All of it is there from the beginning, not page by page as it fills: how memory grows is to be the library's affair. */
static struct times open_times(size_t room)
{
    struct times t = { .seconds = malloc(room * sizeof(float)), .room = room };
    must(t.seconds, &(infer_error){ INFER_E_NOMEM, "no memory for the times" });
    memset(t.seconds, 0xff, room * sizeof(float));
    return t;
}

static double resident_kb(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static unsigned random_below(uint64_t *state, unsigned n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33) % n;
}

/* ---- Many requests ---- */

struct load {
    infer_scheduler *scheduler;
    int32_t n_vocab;
    uint64_t random;
    int n_begun, n_ended;
    size_t n_prompt, n_generated;
    struct times first, next;
    double kb[N_SAMPLES]; /* after each N_SAMPLES-th of the requests */
    pthread_mutex_t lock;
    pthread_cond_t done;
};

struct text {
    struct load *load;
    double last;
};

static bool on_text(void *user, const char *text, size_t length)
{
    (void)text, (void)length;
    struct text *t = user;
    const double now = seconds_now();
    if (t->last > 0)
        add_time(&t->load->next, now - t->last);
    t->last = now;
    return true;
}

static void begin_one(struct load *l);

static void on_end(void *user, infer_request *request)
{
    struct text *t = user;
    struct load *l = t->load;
    infer_generate_result r = { .size = sizeof r };
    infer_error err;
    must(infer_request_get_result(request, 0, &r, &err) == INFER_OK, &err);
    infer_request_close(&request);
    free(t);
    add_time(&l->first, r.first_token_seconds);
    l->n_prompt += r.n_prompt + r.n_cached;
    l->n_generated += r.n_generated;
    if (++l->n_ended % (o.n_requests / N_SAMPLES) == 0 && l->n_ended / (o.n_requests / N_SAMPLES) <= N_SAMPLES)
        l->kb[l->n_ended / (o.n_requests / N_SAMPLES) - 1] = resident_kb();
    if (l->n_begun < o.n_requests)
        begin_one(l);
    pthread_mutex_lock(&l->lock);
    pthread_cond_signal(&l->done);
    pthread_mutex_unlock(&l->lock);
}

static void begin_one(struct load *l)
{
    int32_t ids[MOST_PROMPT];
    const size_t n = 1 + random_below(&l->random, MOST_PROMPT);
    infer_generate_options g = infer_generate_defaults();
    infer_request_options ro = infer_request_defaults();
    infer_error err;
    struct text *t = calloc(1, sizeof *t);
    t->load = l;
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)random_below(&l->random, (unsigned)l->n_vocab);
    g.n_predict = 1 + (int32_t)random_below(&l->random, MOST_TEXT);
    g.ignore_end = true;
    g.on_text = on_text;
    g.user = ro.end_user = t;
    ro.generate = &g;
    ro.on_end = on_end;
    l->n_begun++;
    must(infer_scheduler_submit_ids(l->scheduler, ids, n, &ro, &err), &err);
}

/* Kilobytes that each 1000 requests add, by the least squares over the second half. */
static double slope(const double *kb)
{
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (int i = N_SAMPLES / 2; i < N_SAMPLES; i++) {
        const double at = (double)(i + 1) * o.n_requests / N_SAMPLES / 1000;
        n++, x += at, y += kb[i], xx += at * at, xy += at * kb[i];
    }
    return (n * xy - x * y) / (n * xx - x * x);
}

static void run_many(infer_model *m)
{
    infer_model_info info = { .size = sizeof info };
    infer_scheduler_options so = infer_scheduler_defaults();
    infer_session_options session = infer_session_defaults();
    infer_error err;
    struct load l = { .random = 1 };
    infer_model_get_info(m, &info);
    infer_model_set_prefix_bytes(m, 32 << 20); /* full long before the end */
    session.n_ctx = MOST_PROMPT + MOST_TEXT;
    so.session = &session;
    so.max_running = o.n_running;
    so.max_queue = 4 * o.n_running;
    l.n_vocab = info.n_vocab;
    l.first = open_times((size_t)o.n_requests);
    l.next = open_times((size_t)o.n_requests * MOST_TEXT);
    memset(l.next.seconds, 0, l.next.room * sizeof *l.next.seconds); /* the program's own memory is there before */
    pthread_mutex_init(&l.lock, NULL);
    pthread_cond_init(&l.done, NULL);
    l.scheduler = infer_scheduler_open(m, &so, &err);
    must(l.scheduler, &err);
    const double begun = seconds_now();
    for (int i = 0, n = 2 * o.n_running < o.n_requests ? 2 * o.n_running : o.n_requests; i < n; i++) {
        pthread_mutex_lock(&l.lock);
        begin_one(&l);
        pthread_mutex_unlock(&l.lock);
    }
    pthread_mutex_lock(&l.lock);
    while (l.n_ended < o.n_requests)
        pthread_cond_wait(&l.done, &l.lock);
    pthread_mutex_unlock(&l.lock);
    const double seconds = seconds_now() - begun;
    infer_scheduler_close(&l.scheduler);
    printf("%d requests of 1 to %d tokens, 1 to %d generated, %d at once, %d threads: %.1f s\n", o.n_requests, MOST_PROMPT,
           MOST_TEXT, o.n_running, o.n_threads, seconds);
    printf("tokens a second              %.0f of prompts and %.0f generated; %.1f requests\n",
           (double)l.n_prompt / seconds, (double)l.n_generated / seconds, o.n_requests / seconds);
    print_times("to the first token", &l.first);
    print_times("from token to token", &l.next);
    printf("resident                     %.0f KB after a half, %.0f KB after all, %+.1f KB for each 1000 requests\n",
           l.kb[N_SAMPLES / 2 - 1], l.kb[N_SAMPLES - 1], slope(l.kb));
    free(l.first.seconds);
    free(l.next.seconds);
}

/* ---- A long prompt between ---- */

static infer_request *begin_text(infer_scheduler *s, struct text *t, const int32_t *ids, size_t n, int32_t n_predict)
{
    infer_generate_options g = infer_generate_defaults();
    infer_request_options ro = infer_request_defaults();
    infer_error err;
    g.n_predict = n_predict;
    g.ignore_end = true;
    g.on_text = t ? on_text : NULL;
    g.user = t;
    ro.generate = &g;
    infer_request *r = infer_scheduler_submit_ids(s, ids, n, &ro, &err);
    must(r, &err);
    return r;
}

/* Four texts go on; if there is one, a prompt comes when they have begun. */
static void run_between(infer_model *m, int n_long, double max_itl_ms)
{
    infer_model_info info = { .size = sizeof info };
    infer_scheduler_options so = infer_scheduler_defaults();
    infer_session_options session = infer_session_defaults();
    infer_error err;
    struct load l = { .random = 7, .next = open_times(1 << 20) };
    struct text texts[N_TEXTS];
    infer_request *r[N_TEXTS], *prompt = NULL;
    int32_t *ids = calloc((size_t)o.n_long + 1, sizeof *ids);
    char what[64];
    infer_model_get_info(m, &info);
    infer_model_set_prefix_bytes(m, 0);
    session.n_ctx = o.n_long + 1024;
    so.session = &session;
    so.max_itl_ms = max_itl_ms;
    infer_scheduler *s = infer_scheduler_open(m, &so, &err);
    must(s, &err);
    for (int i = 0; i < o.n_long; i++)
        ids[i] = (int32_t)random_below(&l.random, (unsigned)info.n_vocab);
    for (int i = 0; i < N_TEXTS; i++) {
        texts[i] = (struct text){ .load = &l };
        r[i] = begin_text(s, &texts[i], ids + 8 * i, 8, 1 << 20);
    }
    usleep(200000);
    if (n_long)
        prompt = begin_text(s, NULL, ids, (size_t)n_long, 1);
    infer_generate_result result = { .size = sizeof result };
    if (prompt)
        must(infer_request_wait(prompt, -1, &err) == INFER_OK, &err);
    else
        usleep(300000);
    for (int i = 0; i < N_TEXTS; i++)
        infer_request_cancel(r[i]);
    if (prompt)
        infer_request_get_result(prompt, 0, &result, NULL);
    infer_request_close(&prompt);
    for (int i = 0; i < N_TEXTS; i++)
        infer_request_close(&r[i]);
    infer_scheduler_close(&s);
    snprintf(what, sizeof what, n_long ? max_itl_ms > 0 ? "and one, max_itl_ms %g" : "and one, no bound"
                                       : "no prompt between", max_itl_ms);
    print_times(what, &l.next);
    if (n_long)
        printf("%-28s its first token after %.0f ms\n", "", 1e3 * result.first_token_seconds);
    free(ids);
    free(l.next.seconds);
}

static void usage(void)
{
    fputs("bench_requests [-m MODEL] [-t THREADS] [-n REQUESTS] [-r RUNNING] [-p LONG_PROMPT] [-i MAX_ITL_MS]\n", stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    infer_error err = { INFER_OK, "" };
    for (int c; (c = getopt(argc, argv, "m:t:n:r:p:i:")) != -1;)
        switch (c) {
        case 'm': o.model = optarg; break;
        case 't': o.n_threads = atoi(optarg); break;
        case 'n': o.n_requests = atoi(optarg); break;
        case 'r': o.n_running = atoi(optarg); break;
        case 'p': o.n_long = atoi(optarg); break;
        case 'i': o.max_itl_ms = atof(optarg); break;
        default: usage();
        }
    if ((o.n_requests && o.n_requests < N_SAMPLES) || o.n_running < 1 || o.n_long < 8 * N_TEXTS)
        usage();
    infer_context *context = program_context(o.n_threads, 0, &err);
    infer_model *model = context ? program_model(context, o.model, &err) : NULL;
    must(model, &err);
    if (o.n_requests)
        run_many(model);
    printf("%d texts, and a prompt of %d tokens between; from token to token:\n", N_TEXTS, o.n_long);
    run_between(model, 0, 0);
    run_between(model, o.n_long, 0);
    run_between(model, o.n_long, o.max_itl_ms);
    infer_model_close(&model);
    infer_context_close(&context);
    return 0;
}
