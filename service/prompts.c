/* prompts.c - prompts as strings and ids. */
#include "service/prompts.h"

#include <stdlib.h>
#include <string.h>

void job_add_prompt(struct job *j, struct fields *f, const char *param, struct ids *taken)
{
    const size_t count = j->lengths ? (size_t)j->n_prompts : 0;
    size_t *const lengths = realloc(j->lengths, (count + 1) * sizeof *lengths);
    j->lengths = lengths ? lengths : j->lengths;
    struct ids all = { .v = j->ids, .n = j->n_ids, .max = j->n_ids, .failed = taken->failed || !lengths };
    ids_add(&all, taken->v, taken->n);
    j->ids = all.v;
    j->n_ids = all.n;
    if (all.failed) {
        field_wrong(f, param, "no memory for a prompt");
    } else {
        lengths[count] = taken->n;
        j->n_prompts = (int)count + 1;
    }
    ids_free(taken);
}

const int32_t *job_prompt(const struct job *j, int prompt, size_t *n)
{
    const int32_t *ids = j->ids;
    for (int i = 0; i < prompt; i++)
        ids += j->lengths[i];
    *n = j->lengths[prompt];
    return ids;
}

/* Ids and strings, which are one text: what a text begins with stands before a string that comes first. */
static void read_mixed(struct ids *ids, const infer_tokenizer *tokenizer, struct fields *f, const char *param,
                       const json_t *array)
{
    const json_int_t n_vocab = infer_tokenizer_size(tokenizer);
    infer_error err = { 0 };
    size_t i;
    json_t *one;
    json_array_foreach(array, i, one) {
        const unsigned flags = INFER_PARSE_SPECIAL | (i ? 0 : INFER_ADD_SPECIAL);
        const int32_t id = json_is_integer(one) && json_integer_value(one) < n_vocab && json_integer_value(one) >= 0
                               ? (int32_t)json_integer_value(one) : -1;
        if (id >= 0)
            ids_add(ids, &id, 1);
        else if (!json_is_string(one))
            field_wrong(f, param, "expected ids from 0 to %lld, or strings, found %s", (long long)n_vocab - 1,
                        json_is_integer(one) ? "a number beyond these" : json_kind(one));
        else if (!ids_add_text(ids, tokenizer, json_string_value(one), json_string_length(one), flags, &err))
            field_wrong(f, param, "%s", err.message);
        if (f->param)
            return;
    }
}

void read_prompt(struct ids *ids, const infer_tokenizer *tokenizer, struct fields *f, const char *param,
                 const json_t *prompt)
{
    infer_error err = { 0 };
    const size_t before = ids->n;
    if (json_is_array(prompt))
        read_mixed(ids, tokenizer, f, param, prompt);
    else if (!json_is_string(prompt))
        field_wrong(f, param, "expected a string or an array of ids, found %s", json_kind(prompt));
    else if (!ids_add_prompt(ids, tokenizer, json_string_value(prompt), json_string_length(prompt), &err))
        field_wrong(f, param, "%s", err.message);
    if (ids->n == before)
        field_wrong(f, param, "expected at least one token, found none");
}

/* An array with a number in it is one prompt, else each of its elements is one. */
static bool is_one(const json_t *prompts)
{
    size_t i;
    json_t *one;
    json_array_foreach(prompts, i, one)
        if (json_is_number(one))
            return true;
    return !json_is_array(prompts);
}

void job_read_prompts(struct job *j, struct fields *f, const char *param, const json_t *prompts)
{
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(j->model->model);
    const bool one = is_one(prompts);
    const size_t n = one ? 1 : json_array_size(prompts);
    if (n < 1 || n > MAX_PROMPTS)
        field_wrong(f, param, "expected 1 to %d prompts, found %zu", MAX_PROMPTS, n);
    for (size_t i = 0; i < n && !f->param; i++) {
        struct ids ids = { 0 };
        read_prompt(&ids, tokenizer, f, param, one ? prompts : json_array_get(prompts, i));
        job_add_prompt(j, f, param, &ids);
    }
    if (json_is_string(prompts) && !f->param) {
        j->prompt = json_string_value(prompts);
        j->n_prompt = json_string_length(prompts);
    }
}
