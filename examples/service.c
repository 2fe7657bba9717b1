/* service.c - a server without a port: a request of OpenAI's API goes in as it would come from a client, and its answer
 * comes out piece by piece.
 *
 *     service [MODEL]     without MODEL: the model inside the library
 *
 *     cc service.c $(pkg-config --cflags --libs libinfer-service) */
#include <infer_service.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    static const char body[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"Once upon a time\"}], "
                               "\"max_tokens\": 8, \"stream\": true}";
    infer_error err;
    infer_service_options options = infer_service_defaults();
    infer_service_request request = infer_service_request_defaults();
    options.model = argc > 1 ? argv[1] : NULL;
    request.method = "POST";
    request.path = "/v1/chat/completions";
    request.body = body;
    request.length = sizeof body - 1;

    infer_context *context = infer_context_open(NULL, &err);
    infer_service *service = context ? infer_service_open(context, &options, &err) : NULL;
    infer_exchange *exchange = service ? infer_service_submit(service, &request, &err) : NULL;
    infer_status status = exchange ? INFER_OK : err.code;
    const char *chunk = "";
    size_t length;
    while (status == INFER_OK && chunk) {
        status = infer_exchange_next(exchange, -1, &chunk, &length, &err);
        if (status == INFER_OK && chunk)
            fwrite(chunk, 1, length, stdout);
    }
    if (status != INFER_OK)
        fprintf(stderr, "%s: %s\n", infer_status_name(status), err.message);
    else
        printf("status %d\n", infer_exchange_status(exchange));
    infer_exchange_close(&exchange);
    infer_service_close(&service);
    infer_context_close(&context);
    return status != INFER_OK;
}
