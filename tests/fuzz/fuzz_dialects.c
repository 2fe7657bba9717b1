/* fuzz_dialects.c - requests to the service: a byte that says which route, then the body. Nothing may be answered with a
 * failure of the server's own, and no answer may lack its end. */
#include "infer_service.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const routes[][2] = {
    { "POST", "/v1/chat/completions" },
    { "POST", "/v1/completions" },
    { "POST", "/v1/messages" },
    { "POST", "/v1/messages/count_tokens" },
    { "POST", "/v1/embeddings" },
    { "POST", "/v1/rerank" },
    { "POST", "/api/generate" },
    { "POST", "/api/chat" },
    { "POST", "/api/embed" },
    { "POST", "/api/embeddings" },
    { "POST", "/api/show" },
    { "POST", "/api/pull" },
    { "MESSAGE", "/ws/generate" },
    { "POST", "/tokenize" },
    { "POST", "/detokenize" },
    { "POST", "/apply-template" },
    { "POST", "/completion" },
    { "POST", "/infill" },
};
enum { N_ROUTES = sizeof routes / sizeof *routes };

/* Few tokens, so that there are many runs. */
static infer_service *open_service(void)
{
    infer_service_options o = infer_service_defaults();
    infer_scheduler_options scheduler = infer_scheduler_defaults();
    infer_session_options session = infer_session_defaults();
    session.n_ctx = 256;
    scheduler.session = &session;
    o.scheduler = &scheduler;
    o.max_tokens = 2;
    o.max_seconds = 5;
    infer_context *const context = infer_context_open(NULL, NULL);
    return context ? infer_service_open(context, &o, NULL) : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static infer_service *service;
    if (!service && !(service = open_service()))
        abort();
    if (!size)
        return 0;
    infer_service_request r = infer_service_request_defaults();
    const char *chunk;
    size_t n;
    r.method = routes[data[0] % N_ROUTES][0];
    r.path = routes[data[0] % N_ROUTES][1];
    r.body = (const char *)data + 1;
    r.length = size - 1;
    infer_exchange *x = infer_service_submit(service, &r, NULL);
    infer_status status;
    while (x && (status = infer_exchange_next(x, 60, &chunk, &n, NULL)) == INFER_OK && chunk)
        ;
    if (x && (status != INFER_OK || infer_exchange_status(x) >= 500))
        abort();
    infer_exchange_close(&x);
    return 0;
}
