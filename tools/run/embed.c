/* embed.c - the prompt's vector instead of text that goes on from it. */
#include "tools/common/failure.h"
#include "tools/common/vectors.h"
#include "tools/run/run.h"

#include <errno.h>
#include <stdlib.h>

int embed(struct run *r, const char *text, size_t length)
{
    infer_error err = { 0 };
    infer_embedder_options options = infer_embedder_defaults();
    infer_embedder_info info = { .size = sizeof info };
    struct vectors v = { 0 };
    options.n_ctx = settings.n_ctx;
    options.precision = (infer_precision)settings.precision;
    infer_embedder *e = infer_embedder_open(r->model, &options, &err);
    infer_status status = e ? INFER_OK : err.code;
    if (e)
        infer_embedder_get_info(e, &info);
    const bool tokens = info.pooling == INFER_POOLING_NONE;
    if (status == INFER_OK)
        status = vectors_compute(&v, e, &(infer_input){ .text = text, .length = length }, 1, tokens, &err);
    if (status == INFER_OK) {
        vectors_print(&v, 0, 0, tokens, false);
        if (fflush(stdout) != 0 || ferror(stdout))
            status = failure(&err, INFER_E_IO, "the vector cannot be written: %s", strerror(errno));
    }
    vectors_free(&v);
    infer_embedder_close(&e);
    return status == INFER_OK ? EXIT_SUCCESS : show_failure(&err, NULL);
}
