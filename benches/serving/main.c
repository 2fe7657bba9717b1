/* main.c - the suite serving: what a server adds to the scheduler behind it.
 *
 *     bench_serving [-m MODEL] [-t THREADS] [-n REPEATS] [-k TOKENS] [-p PORT]
 *
 * The same short conversation is answered in turn by a scheduler, by a service in this process, and by the infer-server
 * that listens at PORT of 127.0.0.1 (0: by none), which has to be started with the same model and threads. Printed are
 * medians: to the first token, to the end of TOKENS tokens, and of /tokenize. Without MODEL: the model inside the
 * library. */
#include "infer_service.h"
#include "tools/common/program.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGES "[{\"role\":\"user\",\"content\":\"Once upon a time\"}]"
#define SHORT "{\"content\":\"Once upon a time\"}"

static struct {
    const char *model;
    int n_threads, n_repeats, n_tokens, port;
} o = { .n_threads = 2, .n_repeats = 200, .n_tokens = 8 };

struct times {
    double *first, *whole, *tokenize; /* n_repeats of each; the last NULL: not asked */
};

struct bench {
    infer_scheduler *scheduler;
    infer_chat *chat;
    infer_service *service;
    int socket; /* -1: there is none */
    char body[256], request[512], short_request[256];
    char answer[1 << 20];
};

static void stop(const char *why)
{
    fprintf(stderr, "serving: %s\n", why);
    exit(1);
}

/* ---- Three ways to the same text ---- */

static bool on_part(void *user, infer_chat_part part, const char *text, size_t length)
{
    double *const first = user;
    (void)part, (void)text, (void)length;
    *first = *first > 0 ? *first : seconds_now();
    return true;
}

static void by_scheduler(struct bench *b, struct times *t, int i)
{
    double first = 0;
    infer_error err = { 0 };
    infer_request_options request = infer_request_defaults();
    infer_generate_options generate = infer_generate_defaults();
    infer_sampler_options sampler = infer_sampler_defaults();
    sampler.temperature = 0;
    generate.n_predict = o.n_tokens;
    generate.ignore_end = true;
    generate.on_part = on_part;
    generate.user = &first;
    request.generate = &generate;
    request.sampler = &sampler;
    const double begin = seconds_now();
    infer_request *r = infer_scheduler_submit_chat(b->scheduler, b->chat, MESSAGES, strlen(MESSAGES), &request, &err);
    if (!r || infer_request_wait(r, -1, &err) != INFER_OK)
        stop(err.message);
    t->whole[i] = seconds_now() - begin;
    t->first[i] = first - begin;
    infer_request_close(&r);
}

/* The first event is the role, the second the first piece of text. */
static void by_service(struct bench *b, struct times *t, int i)
{
    infer_service_request r = infer_service_request_defaults();
    const char *chunk;
    size_t n;
    r.method = "POST";
    r.path = "/v1/chat/completions";
    r.body = b->body;
    r.length = strlen(b->body);
    double begin = seconds_now();
    infer_exchange *x = infer_service_submit(b->service, &r, NULL);
    for (int events = 0; infer_exchange_next(x, -1, &chunk, &n, NULL) == INFER_OK && chunk;)
        if (++events == 2)
            t->first[i] = seconds_now() - begin;
    t->whole[i] = seconds_now() - begin;
    if (infer_exchange_status(x) != 200)
        stop("the service refuses the request");
    infer_exchange_close(&x);
    r.path = "/tokenize";
    r.body = SHORT;
    r.length = strlen(SHORT);
    begin = seconds_now();
    x = infer_service_submit(b->service, &r, NULL);
    infer_exchange_next(x, -1, &chunk, &n, NULL);
    t->tokenize[i] = seconds_now() - begin;
    infer_exchange_close(&x);
}

/* Send, and read until `end` stands at the end; *first receives when there was a second event. */
static double exchange(struct bench *b, const char *request, const char *end, double *first)
{
    const size_t n_end = strlen(end);
    const double begin = seconds_now();
    size_t n = 0;
    if (write(b->socket, request, strlen(request)) < 0)
        stop("the server does not take the request");
    do {
        const ssize_t got = read(b->socket, b->answer + n, sizeof b->answer - 1 - n);
        if (got <= 0)
            stop("the server closes the connection");
        b->answer[n += (size_t)got] = '\0';
        const char *const event = first && !*first ? strstr(b->answer, "data: ") : NULL;
        if (event && strstr(event + 1, "data: "))
            *first = seconds_now() - begin;
    } while (n < n_end || strcmp(b->answer + n - n_end, end));
    return seconds_now() - begin;
}

static void by_http(struct bench *b, struct times *t, int i)
{
    t->first[i] = 0;
    t->whole[i] = exchange(b, b->request, "\r\n0\r\n\r\n", &t->first[i]);
    t->tokenize[i] = exchange(b, b->short_request, "}", NULL);
}

/* ---- Figures ---- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *seconds)
{
    qsort(seconds, (size_t)o.n_repeats, sizeof *seconds, compare);
    return seconds[o.n_repeats / 2];
}

static void print(const char *what, struct times *t)
{
    printf("%-10s first token %8.0f us   %d tokens %8.0f us", what, 1e6 * median(t->first), o.n_tokens,
           1e6 * median(t->whole));
    if (t->tokenize)
        printf("   /tokenize %5.1f us", 1e6 * median(t->tokenize));
    printf("\n");
}

static struct times times_new(bool tokenizes)
{
    const size_t n = (size_t)o.n_repeats;
    struct times t = { calloc(n, sizeof(double)), calloc(n, sizeof(double)),
                       tokenizes ? calloc(n, sizeof(double)) : NULL };
    if (!t.first || !t.whole || (tokenizes && !t.tokenize))
        stop("no memory");
    return t;
}

static void times_free(struct times *t)
{
    free(t->first);
    free(t->whole);
    free(t->tokenize);
}

/* ---- Setting up ---- */

static void open_bench(struct bench *b, infer_context *context)
{
    infer_error err = { 0 };
    infer_service_options service = infer_service_defaults();
    infer_chat_setup setup = infer_chat_setup_defaults();
    infer_model *model = o.model ? infer_model_open(context, o.model, NULL, &err)
                                 : infer_model_open_default(context, NULL, &err);
    service.model = o.model;
    b->scheduler = model ? infer_scheduler_open(model, NULL, &err) : NULL;
    b->chat = b->scheduler ? infer_chat_open(model, &setup, &err) : NULL;
    b->service = b->chat ? infer_service_open(context, &service, &err) : NULL;
    if (!b->service)
        stop(err.message);
    infer_model_close(&model);
    snprintf(b->body, sizeof b->body,
             "{\"messages\":" MESSAGES ",\"max_tokens\":%d,\"temperature\":0,\"ignore_eos\":true,\"stream\":true}",
             o.n_tokens);
    snprintf(b->request, sizeof b->request,
             "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", strlen(b->body),
             b->body);
    snprintf(b->short_request, sizeof b->short_request,
             "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", strlen(SHORT), SHORT);
}

static int connect_to(int port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        stop("no server listens at that port");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    return fd;
}

static bool read_options(int argc, char **argv)
{
    int *const numbers[] = { ['t'] = &o.n_threads, ['n'] = &o.n_repeats, ['k'] = &o.n_tokens, ['p'] = &o.port };
    for (int c; (c = getopt(argc, argv, "m:t:n:k:p:")) != -1;) {
        if (c == 'm')
            o.model = optarg;
        else if (c == '?')
            return false;
        else
            *numbers[c] = atoi(optarg);
    }
    return optind == argc && o.n_threads >= 0 && o.n_repeats > 0 && o.n_tokens > 0 && o.port >= 0 && o.port < 65536;
}

int main(int argc, char **argv)
{
    static struct bench b = { .socket = -1 };
    infer_error err = { 0 };
    if (!read_options(argc, argv)) {
        fprintf(stderr, "usage: bench_serving [-m MODEL] [-t THREADS] [-n REPEATS] [-k TOKENS] [-p PORT]\n");
        return 2;
    }
    infer_context *context = program_context(o.n_threads, 0, &err);
    if (!context)
        stop(err.message);
    open_bench(&b, context);
    b.socket = o.port ? connect_to(o.port) : -1;
    struct times scheduler = times_new(false), service = times_new(true), http = times_new(true);
    for (int i = 0; i < o.n_repeats; i++) {
        by_scheduler(&b, &scheduler, i);
        by_service(&b, &service, i);
        if (b.socket >= 0)
            by_http(&b, &http, i);
    }
    print("scheduler", &scheduler);
    print("service", &service);
    if (b.socket >= 0)
        print("HTTP", &http);
    times_free(&scheduler);
    times_free(&service);
    times_free(&http);
    infer_service_close(&b.service);
    infer_scheduler_close(&b.scheduler);
    infer_chat_close(&b.chat);
    infer_context_close(&context);
    return 0;
}
