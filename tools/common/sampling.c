/* sampling.c - lists of stages and biases as llama.cpp writes them. */
#include "tools/common/sampling.h"

#include "tools/common/failure.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_STAGES = 32, MOST_BIASES = sizeof ((struct opt_list *)0)->item / sizeof (char *) };

struct stages {
    infer_sampler_stage stage[MOST_STAGES];
    size_t n;
};

static bool add_stage(struct stages *s, infer_sampler_stage stage)
{
    if (s->n < MOST_STAGES)
        s->stage[s->n++] = stage;
    return s->n < MOST_STAGES;
}

static bool read_names(struct stages *s, const char *list, infer_error *err)
{
    for (const char *p = list; *p; p += *p == ';') {
        const size_t n = strcspn(p, ";");
        const char *name;
        infer_sampler_stage stage = 0;
        while ((name = infer_sampler_stage_name(stage)) && (strlen(name) != n || strncmp(name, p, n) != 0))
            stage++;
        if (!name || !add_stage(s, stage))
            return failure(err, INFER_E_ARGUMENT, "--samplers %s: \"%.*s\" is none of penalties, dry, top_n_sigma, "
                           "top_k, typ_p, top_p, min_p, xtc, temperature, or there are too many", list, (int)n, p), false;
        p += n;
    }
    return true;
}

static bool read_letters(struct stages *s, const char *letters, infer_error *err)
{
    static const char known[] = "edskypmxt"; /* in the order of infer_sampler_stage */
    for (const char *p = letters; *p; p++) {
        const char *at = strchr(known, *p);
        if (!at || !add_stage(s, (infer_sampler_stage)(at - known)))
            return failure(err, INFER_E_ARGUMENT, "--sampler-seq %s: '%c' is none of %s, or there are too many", letters,
                           *p, known), false;
    }
    return true;
}

/* "15043+1.5", "15043-inf" */
static bool read_bias(infer_logit_bias *b, const char *text, infer_error *err)
{
    char *end, *rest;
    const long id = strtol(text, &end, 10);
    const bool signs = end > text && (*end == '+' || *end == '-');
    b->id = (int32_t)id;
    b->bias = signs ? strtof(end, &rest) : 0;
    if (signs && id >= 0 && id <= INT32_MAX && rest > end + 1 && !*rest)
        return true;
    return failure(err, INFER_E_ARGUMENT, "--logit-bias %s: expected a token's id, + or -, and a number, as in "
                   "15043+1.5", text), false;
}

static bool set_texts(const struct sampling_options *s, infer_sampler *sampler, const infer_tokenizer *tokenizer,
                      infer_error *err)
{
    static const char *const usual[] = { "\n", ":", "\"", "*" };
    const bool none = s->breakers.n == 1 && !strcmp(s->breakers.item[0], "none");
    const char *const *breakers = s->breakers.n ? s->breakers.item : usual;
    const size_t n = none ? 0 : s->breakers.n ? s->breakers.n : 4;
    return (s->o.dry_multiplier == 0 ||
            infer_sampler_set_dry_breakers(sampler, tokenizer, breakers, n, err) == INFER_OK) &&
           infer_sampler_set_banned(sampler, tokenizer, s->banned.item, s->banned.n, err) == INFER_OK;
}

infer_sampler *sampling_open(const struct sampling_options *s, infer_context *context, const infer_tokenizer *tokenizer,
                             infer_error *err)
{
    infer_sampler_options o = s->o;
    struct stages stages = { .n = 0 };
    infer_logit_bias biases[MOST_BIASES];
    if ((s->stages && !read_names(&stages, s->stages, err)) || (s->letters && !read_letters(&stages, s->letters, err)))
        return NULL;
    for (; o.n_biases < s->biases.n; o.n_biases++)
        if (!read_bias(&biases[o.n_biases], s->biases.item[o.n_biases], err))
            return NULL;
    o.biases = biases;
    o.stages = s->stages || s->letters ? stages.stage : NULL;
    o.n_stages = stages.n;
    o.top_n_sigma = o.top_n_sigma > 0 ? o.top_n_sigma : 0; /* llama.cpp's default is -1 */
    infer_sampler *sampler = infer_sampler_open(context, &o, err);
    if (sampler && !set_texts(s, sampler, tokenizer, err))
        infer_sampler_close(&sampler);
    return sampler;
}
