/* cache.c - two models by their paths, kept open while there is room: the second request for one costs nothing.
 *
 *     cache MODEL [MODEL]     the second one may be the first once more */
#include <infer.h>
#include <stdio.h>

static bool print_text(void *user, const char *text, size_t length)
{
    (void)user;
    fwrite(text, 1, length, stdout);
    return true;
}

/* What a server does for a request: get the model where it is needed, give it back when the answer is written. */
static infer_status answer(infer_context *context, infer_cache *cache, const char *path, infer_error *err)
{
    infer_generate_options options = infer_generate_defaults();
    options.n_predict = 20;
    options.on_text = print_text;
    infer_model *model = infer_cache_get(cache, path, NULL, err);
    infer_session *session = model ? infer_session_open(model, NULL, err) : NULL;
    infer_sampler *sampler = session ? infer_sampler_open(context, NULL, err) : NULL;
    infer_status status = err->code;
    if (sampler)
        status = infer_generate(session, sampler, "Once upon a time", 16, &options, NULL, err);
    printf("\n");
    infer_sampler_close(&sampler);
    infer_session_close(&session);
    infer_cache_release(cache, &model);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: cache MODEL [MODEL]\n");
        return 2;
    }
    infer_error err = { INFER_OK, "" };
    infer_cache_options options = infer_cache_defaults();
    options.max_bytes = 8ull << 30; /* the one that was asked for longest ago goes first */
    infer_context *context = infer_context_open(NULL, &err);
    infer_cache *cache = context ? infer_cache_open(context, &options, &err) : NULL;
    infer_status status = err.code;
    for (int i = 0; i < 4 && status == INFER_OK; i++)
        status = answer(context, cache, argv[argc > 2 ? 1 + i % 2 : 1], &err);
    infer_cache_stats stats = { .size = sizeof stats };
    if (cache)
        infer_cache_get_stats(cache, &stats);
    printf("%d opened, %d there already\n", (int)stats.loads, (int)stats.hits);
    if (status != INFER_OK)
        fprintf(stderr, "%s: %s\n", infer_status_name(status), err.message);
    infer_cache_close(&cache);
    infer_context_close(&context);
    return status != INFER_OK;
}
