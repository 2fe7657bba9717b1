/* infer-logits - what a model computes for given tokens: the logits of every position as a NumPy file, and the ids that
 * greedy decoding appends. For comparing with other engines. */
#include "infer.h"

#include "tools/common/adapters.h"
#include "tools/common/failure.h"
#include "tools/common/ids.h"
#include "tools/common/npy.h"
#include "tools/common/options.h"
#include "tools/common/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEP = 512 }; /* tokens whose logits are held at once */
enum { EXACT, FAST };

static struct {
    const char *model, *ids, *out, *greedy_out;
    int32_t threads, greedy;
    int precision;
    struct kv_options kv;
    struct adapter_options adapters;
} o = { .greedy_out = "-" };

static const struct opt rows[] = {
    { OPT_GROUP, .help = "Input" },
    { OPT_TEXT, "-m, --model", "PATH", "GGUF file or Hugging Face directory", &o.model, 0, 0 },
    { OPT_TEXT, "--ids", "LIST", "token ids: 1,2,3 or a file with a JSON list; - reads the list from stdin", &o.ids, 0,
      0 },
    { OPT_GROUP, .help = "Output" },
    { OPT_TEXT, "--out", "FILE", "write the output of every position as f32 NPY: logits (tokens, vocabulary), or an "
                                 "encoder's hidden states (tokens, width)", &o.out, 0, 0 },
    { OPT_INT, "--greedy", "N", "append the most likely token N times; tokens that end a text do not end it", &o.greedy,
      0, INT32_MAX },
    { OPT_TEXT, "--greedy-out", "FILE", "write the appended ids as a JSON list; default: stdout", &o.greedy_out, 0, 0 },
    { OPT_GROUP, .help = "Computing" },
    { OPT_INT, "-t, --threads", "N", "threads; 0 = one per physical core", &o.threads, 0, 256 },
    { OPT_CHOICE, "--precision", "exact|fast", "activations as f32, or as 8-bit blocks where weights are quantised",
      &o.precision, 0, 0 },
    KV_ROWS(o.kv),
    ADAPTER_ROWS(o.adapters),
    PROGRAM_MACHINE_OPTIONS,
    OPT_STANDARD,
};

static const struct command command = {
    .name = "infer-logits",
    .about = "logits of every position, as another program can read them",
    .usage = "[-m MODEL] --ids LIST [--out FILE.npy] [--greedy N [--greedy-out FILE.json]]",
    .examples = "  infer-logits -m model.gguf --ids 1,403,407 --out logits.npy\n"
                "  infer-logits -m model/ --ids prompt.json --greedy 16 --greedy-out next.json\n"
                "  python3 -c 'import numpy; print(numpy.load(\"logits.npy\").argmax(1))'\n",
    .notes = PROGRAM_ENVIRONMENT "\nExit codes: 0 done, 1 failed, 2 wrong usage.\n",
    .rows = rows,
    .n_rows = sizeof rows / sizeof *rows,
};

static infer_status cannot_write(const char *path, infer_error *err)
{
    return failure(err, INFER_E_IO, "%s: cannot be written: %s", path, strerror(errno));
}

/* Evaluate the tokens in steps and write the outputs, rows of n_out values. An encoder's tokens see each other: one
 * step. */
static infer_status write_outputs(infer_session *session, FILE *f, const struct ids *ids, size_t n_out, size_t step,
                                  infer_error *err)
{
    float *values = calloc(step, n_out * sizeof *values);
    if (!values)
        return failure(err, INFER_E_NOMEM, "no memory for the outputs of %zu tokens", step);
    infer_status status = npy_begin(f, ids->n, n_out) ? INFER_OK : cannot_write(o.out, err);
    for (size_t at = 0; status == INFER_OK && at < ids->n; at += step) {
        const size_t n = ids->n - at < step ? ids->n - at : step;
        status = infer_session_eval_all(session, ids->v + at, n, values, err);
        if (status == INFER_OK && !npy_values(f, values, n * n_out))
            status = cannot_write(o.out, err);
    }
    free(values);
    return status;
}

static infer_status evaluate(infer_session *session, const infer_model_info *info, const struct ids *ids,
                             infer_error *err)
{
    if (!o.out)
        return infer_session_eval(session, ids->v, ids->n, err);
    FILE *f = fopen(o.out, "wb");
    if (!f)
        return cannot_write(o.out, err);
    const size_t n_out = (size_t)(info->encoder ? info->n_embd : info->n_vocab);
    infer_status status = write_outputs(session, f, ids, n_out, info->encoder || ids->n < STEP ? ids->n : STEP, err);
    if (fclose(f) && status == INFER_OK)
        status = cannot_write(o.out, err);
    if (status != INFER_OK)
        remove(o.out);
    return status;
}

/* The lower id wins among equals; a NaN never does. */
static int32_t most_likely(const float *logits, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (logits[i] > logits[best] || logits[best] != logits[best])
            best = i;
    return best;
}

static infer_status append_greedily(infer_session *session, int32_t n_vocab, infer_error *err)
{
    int32_t *appended = calloc((size_t)o.greedy, sizeof *appended);
    if (!appended)
        return failure(err, INFER_E_NOMEM, "no memory for %d token ids", o.greedy);
    infer_status status = INFER_OK;
    for (int32_t i = 0; status == INFER_OK && i < o.greedy; i++) {
        appended[i] = most_likely(infer_session_logits(session), n_vocab);
        if (i + 1 < o.greedy)
            status = infer_session_eval(session, &appended[i], 1, err);
    }
    if (status == INFER_OK)
        status = ids_write(appended, (size_t)o.greedy, o.greedy_out, err);
    free(appended);
    return status;
}

static infer_status run(infer_model *model, const struct ids *ids, infer_error *err)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(model, &info);
    if (o.greedy && info.encoder)
        return failure(err, INFER_E_ARGUMENT, "--greedy: an encoder (%s) appends no tokens", info.architecture);
    infer_session_options options = infer_session_defaults();
    const int64_t n_ctx = (int64_t)ids->n + o.greedy;
    options.n_ctx = n_ctx < INT32_MAX ? (int32_t)n_ctx : INT32_MAX;
    options.precision = o.precision == EXACT ? INFER_EXACT : INFER_FAST;
    program_kv_types(&options, &o.kv);
    infer_session *session = infer_session_open(model, &options, err);
    if (!session)
        return err->code;
    infer_status status = adapters_set(&o.adapters, model, session, err);
    if (status == INFER_OK)
        status = evaluate(session, &info, ids, err);
    if (status == INFER_OK && o.greedy)
        status = append_greedily(session, info.n_vocab, err);
    infer_session_close(&session);
    return status;
}

int main(int argc, char **argv)
{
    const enum options_result parsed = options_parse(&command, argc, argv);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_DONE ? 0 : EXIT_USAGE;
    if (!o.ids)
        return options_complain(&command, "--ids is missing");
    if (!o.out && !o.greedy)
        return options_complain(&command, "nothing to do: give --out, --greedy or both");

    infer_error err = { 0 };
    infer_context *context = NULL;
    infer_model *model = NULL;
    struct ids ids;
    infer_status status = ids_read(&ids, o.ids, &err);
    if (status == INFER_OK && !ids.n)
        status = failure(&err, INFER_E_ARGUMENT, "%s: the list of token ids is empty", o.ids);
    if (status == INFER_OK && !(context = program_context(o.threads, 0, &err)))
        status = err.code;
    if (status == INFER_OK && !(model = program_model(context, o.model, &err)))
        status = err.code;
    if (status == INFER_OK)
        status = run(model, &ids, &err);
    infer_model_close(&model);
    infer_context_close(&context);
    free(ids.v);
    return status == INFER_OK ? 0 : report_failure(command.name, &err);
}
