/* fuzz_request.c - any bytes as a request, "METHOD PATH\nBODY", to a service with the model inside the library. */
#include "include/infer_service.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static infer_service *service;

static void require(bool promise)
{
    if (!promise)
        __builtin_trap();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    infer_context_options c = infer_context_defaults();
    infer_session_options session = infer_session_defaults();
    infer_scheduler_options scheduler = infer_scheduler_defaults();
    infer_service_options o = infer_service_defaults();
    c.n_threads = 1;
    session.n_ctx = 256;
    scheduler.session = &session;
    o.scheduler = &scheduler;
    o.max_tokens = 2;
    o.max_seconds = 5;
    service = infer_service_open(infer_context_open(&c, NULL), &o, NULL);
    require(service);
    return 0;
}

/* The next word of a line, terminated in place. */
static char *word(char **at)
{
    char *const begin = *at;
    *at += strcspn(*at, " \n");
    if (**at)
        *(*at)++ = '\0';
    return begin;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const text = malloc(size + 1), *at = text;
    const char *chunk;
    size_t length, in_all = 0;
    infer_status status;
    require(text);
    memcpy(text, data, size);
    text[size] = '\0';
    infer_service_request r = infer_service_request_defaults();
    r.method = word(&at);
    r.path = word(&at);
    r.body = at;
    r.length = (size_t)(text + size - at);
    infer_exchange *x = infer_service_submit(service, &r, NULL);
    require(x);
    while ((status = infer_exchange_next(x, 60, &chunk, &length, NULL)) == INFER_OK && chunk)
        in_all += length;
    const int told = infer_exchange_status(x);
    require(status == INFER_OK && told >= 200 && told < 600 && told != 500 && in_all <= (size_t)64 << 20);
    infer_exchange_close(&x);
    free(text);
    return 0;
}
