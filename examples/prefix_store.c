/* prefix_store.c - a long beginning of a text that is computed once: by the first run of this program, not by the second
 * one, which finds it on disk.
 *
 *     prefix_store [MODEL [DIRECTORY [TOKENS]]]     without MODEL: the model inside the library; DIRECTORY: prefixes */
#include <infer.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A session of its own, up to the logits that follow the text: then the first token can be chosen. */
static infer_status read_text(infer_model *model, infer_store *store, const int32_t *ids, size_t n, infer_error *err)
{
    infer_session_options options = infer_session_defaults();
    options.n_ctx = (int32_t)n;
    options.store = store;
    infer_session *session = infer_session_open(model, &options, err);
    size_t computed = 0;
    const double begin = now();
    const infer_status status = session ? infer_session_sync(session, ids, n, &computed, err) : err->code;
    if (status == INFER_OK)
        printf("%zu tokens, %zu of them computed: %.1f ms\n", n, computed, (now() - begin) * 1e3);
    infer_session_close(&session);
    return status;
}

int main(int argc, char **argv)
{
    const size_t n = argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) : 400;
    infer_error err = { INFER_OK, "" };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = argc > 1 && argv[1][0] ? infer_model_open(context, argv[1], NULL, &err)
                                                : infer_model_open_default(context, NULL, &err);
    infer_store *store = model ? infer_store_open(context, argc > 2 ? argv[2] : "prefixes", NULL, &err) : NULL;
    int32_t *ids = store ? malloc((n + 1) * sizeof *ids) : NULL; /* any will do, to see how long they take */
    for (size_t i = 0; ids && i < n; i++)
        ids[i] = (int32_t)(100 + i * 7 % 150);

    infer_status status = ids ? read_text(model, store, ids, n, &err) : err.code;
    if (status == INFER_OK)
        status = read_text(model, store, ids, n, &err); /* another session of the process has it in memory */
    if (status == INFER_OK) {
        infer_store_stats stats = { .size = sizeof stats };
        infer_store_flush(store);
        infer_store_get_stats(store, &stats);
        printf("%llu tokens found on disk; %llu files written, %llu there\n", (unsigned long long)stats.tokens,
               (unsigned long long)stats.written, (unsigned long long)stats.files);
    } else {
        fprintf(stderr, "%s: %s\n", infer_status_name(status), err.message);
    }
    free(ids);
    infer_store_close(&store);
    infer_model_close(&model);
    infer_context_close(&context);
    return status != INFER_OK;
}
