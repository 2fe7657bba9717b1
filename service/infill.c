/* infill.c - prompts that have a model fill a hole in a text: what stands before and after it, between the tokens that
 * models of code are trained with (Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the
 * Middle"): PREFIX before SUFFIX after MIDDLE. */
#include "service/prompts.h"

#include "service/service.h"

#include <stdlib.h>
#include <string.h>

enum hole_token { PREFIX, SUFFIX, MIDDLE, FILE_NAME, REPOSITORY, PAD, N_HOLE_TOKENS };
enum hole_part { BEFORE, BEHIND, BEGINNING /* of what fills it */, OTHERS, N_HOLE_PARTS };

/* By which key a GGUF file tells them, and how they are called where it does not. */
static const struct {
    const char *keys[2], *names[10];
} known[N_HOLE_TOKENS] = {
    [PREFIX] = { { "tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id" },
                 { "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
                   "<|code_prefix|>", "[PREFIX]" } },
    [SUFFIX] = { { "tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id" },
                 { "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
                   "<|code_suffix|>", "[SUFFIX]" } },
    [MIDDLE] = { { "tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id" },
                 { "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>",
                   "<|code_middle|>", "[MIDDLE]" } },
    [FILE_NAME] = { { "tokenizer.ggml.fim_sep_token_id" }, { "<|file_sep|>", "<file_sep>" } },
    [REPOSITORY] = { { "tokenizer.ggml.fim_rep_token_id" },
                     { "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<repo_name>" } },
    [PAD] = { { "tokenizer.ggml.fim_pad_token_id" }, { "<|fim_pad|>", "<fim-pad>", "<fim_pad>" } },
};

/* A number of the model's metadata, or -1. */
static int32_t metadata_id(const infer_model *model, const char *wanted)
{
    const char *key;
    char value[24];
    size_t length = 0;
    for (size_t i = 0; infer_model_metadata(model, i, true, &key, value, sizeof value, &length); i++)
        if (!strcmp(key, wanted) && length < sizeof value)
            return (int32_t)strtol(value, NULL, 10);
    return -1;
}

static int32_t find_token(const infer_model *model, enum hole_token kind)
{
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(model);
    for (size_t i = 0; i < 2 && known[kind].keys[i]; i++) {
        const int32_t id = metadata_id(model, known[kind].keys[i]);
        if (id >= 0 && id < infer_tokenizer_size(tokenizer))
            return id;
    }
    for (size_t i = 0; known[kind].names[i]; i++) {
        const int32_t id = infer_tokenizer_find(tokenizer, known[kind].names[i], strlen(known[kind].names[i]));
        if (id >= 0)
            return id;
    }
    return -1;
}

bool fills_holes(const infer_model *model)
{
    return infer_model_tokenizer(model) && find_token(model, PREFIX) >= 0 && find_token(model, SUFFIX) >= 0 &&
           find_token(model, MIDDLE) >= 0;
}

/* ---- Other files ---- */

static void add_text(struct ids *ids, const infer_tokenizer *tokenizer, const char *text, struct fields *f)
{
    infer_error err = { 0 };
    if (!ids_add_text(ids, tokenizer, text, strlen(text), 0, &err))
        field_wrong(f, "input_extra", "%s", err.message);
}

/* Each behind the token for that and its name, or, without such a token, behind a line. */
static void add_files(struct ids *ids, const infer_model *model, struct fields *f, const json_t *files)
{
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(model);
    const int32_t repository = find_token(model, REPOSITORY), name = find_token(model, FILE_NAME);
    size_t i;
    json_t *file;
    if (files && !json_is_array(files))
        field_wrong(f, "input_extra", "expected an array, found %s", json_kind(files));
    if (json_array_size(files) && repository >= 0) {
        ids_add(ids, &repository, 1);
        add_text(ids, tokenizer, "project\n", f);
    }
    json_array_foreach(files, i, file) {
        struct fields one = fields_of(file);
        const char *const text = field_text(&one, "text", ""), *const called = field_text(&one, "filename", "other");
        if (!json_is_object(file) || one.param)
            field_wrong(f, "input_extra", "expected objects with the strings filename and text");
        if (f->param)
            return;
        if (name >= 0) {
            ids_add(ids, &name, 1);
            add_text(ids, tokenizer, called, f);
        }
        add_text(ids, tokenizer, name >= 0 ? "\n" : "\n\n", f);
        add_text(ids, tokenizer, text, f);
    }
    if (json_array_size(files) && name >= 0) {
        ids_add(ids, &name, 1);
        add_text(ids, tokenizer, "this\n", f);
    }
}

/* ---- The prompt ---- */

static void read_part(struct ids *ids, const infer_tokenizer *tokenizer, struct fields *f, const char *param,
                      const json_t *part)
{
    infer_error err = { 0 };
    if (json_is_array(part) && json_array_size(part))
        read_prompt(ids, tokenizer, f, param, part);
    else if (part && !json_is_string(part) && !json_is_array(part))
        field_wrong(f, param, "expected a string or an array of ids, found %s", json_kind(part));
    else if (json_is_string(part) && !ids_add_text(ids, tokenizer, json_string_value(part), json_string_length(part), 0,
                                                   &err))
        field_wrong(f, param, "%s", err.message);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Tokens that fit beside the n_other and those to be written. */
static size_t room_for(struct job *j, struct fields *f, const char *param, size_t n_other)
{
    infer_scheduler_info info = { .size = sizeof info };
    infer_error err = { 0 };
    infer_scheduler *const scheduler = served_scheduler(&j->service->models, j->model, &err);
    if (!scheduler) {
        field_wrong(f, param, "%s", err.message);
        return 0;
    }
    infer_scheduler_get_info(scheduler, &info);
    const size_t n_ctx = (size_t)info.n_ctx, wanted = j->generate.n_predict > 0 ? (size_t)j->generate.n_predict : 1;
    const size_t left = n_ctx - least(n_ctx, n_other);
    return left - least(left, least(wanted, n_ctx / 2));
}

/* Tokens that begin something else end the text: their names in it, which are kept with the body, are stop strings. */
static void stop_at_others(struct job *j)
{
    static const enum hole_token kinds[] = { FILE_NAME, REPOSITORY, PAD, PREFIX };
    _Static_assert(sizeof kinds / sizeof *kinds <= MORE_STOPS, "there is no room for so many");
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(j->model->model);
    json_t *const names = json_array();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t length = 0;
        const int32_t id = find_token(j->model->model, kinds[i]);
        const char *const name = id >= 0 ? infer_tokenizer_token(tokenizer, id, &length) : NULL;
        json_t *const copy = name && length ? json_stringn(name, length) : NULL;
        if (copy && !json_array_append_new(names, copy))
            j->stops[j->generate.n_stops++] = json_string_value(copy);
    }
    json_object_set_new(j->body, ".stops", names);
    j->text_tokens = true;
}

/* Bring together what was read, as much as fits: of the hole's own text three quarters before it at least. */
static void assemble(struct job *j, struct fields *f, const char *param, struct ids part[], const int32_t token[])
{
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(j->model->model);
    struct ids all = { 0 };
    infer_error err = { 0 };
    if (!ids_add_text(&all, tokenizer, "", 0, INFER_ADD_SPECIAL, &err))
        field_wrong(f, param, "%s", err.message);
    const size_t room = room_for(j, f, param, all.n + 3 + part[BEGINNING].n);
    size_t behind = least(part[BEHIND].n, room / 4);
    const size_t before = least(part[BEFORE].n, room - behind);
    behind = least(part[BEHIND].n, room - before);
    const size_t extra = least(part[OTHERS].n, room - before - behind);
    ids_add(&all, part[OTHERS].v + part[OTHERS].n - extra, extra);
    ids_add(&all, &token[PREFIX], 1);
    ids_add(&all, part[BEFORE].v + part[BEFORE].n - before, before);
    ids_add(&all, &token[SUFFIX], 1);
    ids_add(&all, part[BEHIND].v, behind);
    ids_add(&all, &token[MIDDLE], 1);
    ids_add(&all, part[BEGINNING].v, part[BEGINNING].n);
    job_add_prompt(j, f, param, &all);
}

void job_read_hole(struct job *j, struct fields *f, const char *param, const struct hole *hole)
{
    const infer_model *const model = j->model->model;
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(model);
    const int32_t token[] = { find_token(model, PREFIX), find_token(model, SUFFIX), find_token(model, MIDDLE) };
    struct ids part[N_HOLE_PARTS] = { 0 };
    if (!fills_holes(model)) {
        field_wrong(f, param, "%s fills no holes: its vocabulary has no tokens for what is before and behind one",
                    j->model->id);
        return;
    }
    read_part(&part[BEFORE], tokenizer, f, "input_prefix", hole->prefix);
    read_part(&part[BEHIND], tokenizer, f, "input_suffix", hole->suffix);
    read_part(&part[BEGINNING], tokenizer, f, "prompt", hole->prompt);
    add_files(&part[OTHERS], model, f, hole->extra);
    for (size_t i = 0; i < N_HOLE_PARTS && !f->param; i++)
        if (part[i].failed)
            field_wrong(f, param, "no memory for a prompt");
    if (!f->param)
        assemble(j, f, param, part, token);
    if (!f->param)
        stop_at_others(j);
    for (size_t i = 0; i < N_HOLE_PARTS; i++)
        ids_free(&part[i]);
}
