/* sampling.c - how a request wants its tokens chosen: the fields that OpenAI's, llama.cpp's and Ollama's users know. */
#include "service/job.h"
#include "service/service.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_BIASES = 4096, MAX_TEXTS = 256, MAX_STAGES = 32, MAX_ADAPTERS = 32 };

/* Fields that are numbers of the sampler's options, as they are. */
static const struct number {
    const char *name;
    size_t offset;
    bool whole;
    double min, max;
} numbers[] = {
#define REAL(name, min, max) { #name, offsetof(infer_sampler_options, name), false, min, max }
#define WHOLE(name, min, max) { #name, offsetof(infer_sampler_options, name), true, min, max }
    REAL(temperature, 0, 1e6),
    REAL(top_p, 0, 1),
    WHOLE(top_k, 0, INT32_MAX),
    REAL(min_p, 0, 1),
    REAL(typical_p, 0, 1),
    REAL(top_n_sigma, 0, 1e6),
    REAL(repeat_penalty, 1e-6, 1e6),
    WHOLE(repeat_last_n, -1, INT32_MAX),
    REAL(frequency_penalty, -1e6, 1e6),
    REAL(presence_penalty, -1e6, 1e6),
    REAL(xtc_probability, 0, 1),
    REAL(xtc_threshold, 0, 1),
    REAL(dynatemp_range, 0, 1e6),
    REAL(dynatemp_exponent, 0, 1e6),
    REAL(dry_multiplier, 0, 1e6),
    REAL(dry_base, 1, 1e6),
    WHOLE(dry_allowed_length, 0, INT32_MAX),
    { "dry_penalty_last_n", offsetof(infer_sampler_options, dry_last_n), true, -1, INT32_MAX },
    WHOLE(mirostat, 0, 2),
    REAL(mirostat_tau, 0, 1e6),
    REAL(mirostat_eta, 0, 1e6),
#undef REAL
#undef WHOLE
};

static void read_numbers(struct job *j, struct fields *f)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const struct number *const n = &numbers[i];
        void *const at = (char *)&j->sampler + n->offset;
        if (n->whole)
            *(int32_t *)at = (int32_t)field_integer(f, n->name, *(int32_t *)at, (int64_t)n->min, (int64_t)n->max);
        else
            *(float *)at = (float)field_number(f, n->name, *(float *)at, n->min, n->max);
    }
}

/* Absent or negative: another text each time. */
static void read_seed(struct job *j, struct fields *f)
{
    const int64_t seed = field_integer(f, "seed", -1, INT64_MIN, INT64_MAX);
    if (seed < 0 && getentropy(&j->sampler.seed, sizeof j->sampler.seed) == 0)
        j->sampler.seed &= INT64_MAX;
    else
        j->sampler.seed = (uint64_t)seed;
}

/* A number, or false: never. */
static bool read_bias(const json_t *value, float *bias)
{
    *bias = json_is_false(value) ? -INFINITY : (float)json_number_value(value);
    return json_is_false(value) || (json_is_number(value) && fabs(json_number_value(value)) <= 1e6);
}

static void add_bias(struct job *j, struct fields *f, int64_t id, const json_t *value)
{
    infer_logit_bias *const b = &j->biases[j->sampler.n_biases];
    const int64_t n = infer_tokenizer_size(infer_model_tokenizer(j->model->model));
    if (id < 0 || id >= n)
        field_wrong(f, "logit_bias", "%lld is none of the %lld tokens", (long long)id, (long long)n);
    else if (!read_bias(value, &b->bias))
        field_wrong(f, "logit_bias", "expected a number, or false, for token %lld", (long long)id);
    else {
        b->id = (int32_t)id;
        j->sampler.n_biases++;
    }
}

/* {"ID": number} as OpenAI has it, [[ID, number]] as llama.cpp. OpenAI's -100 means never. */
static void read_biases(struct job *j, struct fields *f)
{
    json_t *const all = field_any(f, "logit_bias"), *value;
    const size_t n = json_is_object(all) ? json_object_size(all) : json_array_size(all);
    const char *key;
    size_t i;
    if (!all)
        return;
    if ((!json_is_object(all) && !json_is_array(all)) || n > MAX_BIASES) {
        field_wrong(f, "logit_bias", "expected an object or an array of at most %d, found %s of %zu", MAX_BIASES,
                    json_kind(all), n);
        return;
    }
    j->biases = calloc(n + 1, sizeof *j->biases);
    if (!j->biases)
        return;
    json_object_foreach(all, key, value) {
        char *end;
        const long long id = strtoll(key, &end, 10);
        add_bias(j, f, *key && !*end ? id : -1, value);
    }
    json_array_foreach(all, i, value)
        add_bias(j, f, json_is_integer(json_array_get(value, 0)) ? json_integer_value(json_array_get(value, 0)) : -1,
                 json_array_get(value, 1));
    for (size_t b = 0; b < j->sampler.n_biases; b++)
        if (j->biases[b].bias <= -100)
            j->biases[b].bias = -INFINITY;
    j->sampler.biases = j->biases;
}

/* A string or an array of strings into `texts`, which has room for max; they live as long as the body. */
static size_t read_texts(struct fields *f, const char *name, const char **texts, size_t max)
{
    const json_t *const value = field_any(f, name);
    const size_t n = json_is_array(value) ? json_array_size(value) : value != NULL;
    if (n > max)
        field_wrong(f, name, "expected at most %zu strings, found %zu", max, n);
    for (size_t i = 0; i < n && i < max; i++) {
        const json_t *const one = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(one) || strlen(json_string_value(one)) != json_string_length(one)) {
            field_wrong(f, name, "expected strings without NUL, found %s",
                        json_is_string(one) ? "one with NUL" : json_kind(one));
            return 0;
        }
        texts[i] = json_string_value(one);
    }
    return n <= max ? n : 0;
}

static size_t read_list(struct fields *f, const char *name, const char ***texts)
{
    if (!field_any(f, name) || !(*texts = calloc(MAX_TEXTS, sizeof **texts)))
        return 0;
    return read_texts(f, name, *texts, MAX_TEXTS);
}

void job_read_stops(struct job *j, struct fields *f, const char *name)
{
    const char *texts[MAX_STOPS];
    const size_t n = read_texts(f, name, texts, MAX_STOPS);
    j->generate.n_stops = 0;
    for (size_t i = 0; i < n; i++)
        if (*texts[i]) /* some clients send one that is empty */
            j->stops[j->generate.n_stops++] = texts[i];
}

static void read_stages(struct job *j, struct fields *f)
{
    const char *names[MAX_STAGES];
    if (!field_array(f, "samplers") || !(j->stages = calloc(MAX_STAGES, sizeof *j->stages)))
        return;
    const size_t n = read_texts(f, "samplers", names, MAX_STAGES);
    for (size_t i = 0; i < n; i++) {
        const char *name;
        infer_sampler_stage stage = 0;
        while ((name = infer_sampler_stage_name(stage)) && strcmp(name, names[i]))
            stage++;
        if (!name)
            field_wrong(f, "samplers", "there is no \"%s\"", names[i]);
        j->stages[i] = stage;
    }
    j->sampler.stages = j->stages;
    j->sampler.n_stages = n;
}

static void read_grammar(struct job *j, struct fields *f)
{
    const char *const text = field_text(f, "grammar", NULL);
    infer_error err = { 0 };
    if (!text || !*text)
        return;
    j->grammar = infer_grammar_open(j->service->context, INFER_GBNF, text, strlen(text), NULL, &err);
    if (!j->grammar)
        field_wrong(f, "grammar", "%s", err.message);
}

void job_read_adapters(struct job *j, struct fields *f)
{
    const json_t *const list = field_array(f, "lora");
    const size_t n = j->model->n_adapters;
    if (!n && json_array_size(list))
        field_wrong(f, "lora", "the model has no adapters");
    if (!n || !(j->adapters = calloc(n, sizeof *j->adapters)) || !(j->scales = calloc(n, sizeof *j->scales)))
        return;
    pthread_mutex_lock(&j->service->models.lock);
    for (size_t i = 0; i < n; i++)
        j->scales[i] = list ? 0 : j->model->adapters[i].scale;
    pthread_mutex_unlock(&j->service->models.lock);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *const one = json_array_get(list, i), *const id = json_object_get(one, "id");
        const json_t *const scale = json_object_get(one, "scale");
        if (!json_is_integer(id) || json_integer_value(id) < 0 || (size_t)json_integer_value(id) >= n)
            field_wrong(f, "lora", "an id is expected to be a whole number below %zu", n);
        else
            j->scales[json_integer_value(id)] = scale ? (float)json_number_value(scale) : 1;
    }
    size_t used = 0;
    for (size_t i = 0; i < n; i++)
        if (j->scales[i] != 0) {
            j->adapters[used] = j->model->adapters[i].adapter;
            j->scales[used++] = j->scales[i];
        }
    j->request.adapters = j->adapters;
    j->request.adapter_scales = j->scales;
    j->request.n_adapters = used;
}

void job_read_sampling(struct job *j, struct fields *f)
{
    static const char *const usual[] = { "\n", ":", "\"", "*" };
    read_numbers(j, f);
    read_seed(j, f);
    read_biases(j, f);
    read_stages(j, f);
    read_grammar(j, f);
    job_read_adapters(j, f);
    j->request.n_banned = read_list(f, "banned_strings", &j->banned);
    j->request.banned = j->banned;
    j->request.n_dry_breakers = read_list(f, "dry_sequence_breakers", &j->breakers);
    j->request.dry_breakers = j->breakers;
    if (j->sampler.dry_multiplier != 0 && !j->breakers) {
        j->request.dry_breakers = usual;
        j->request.n_dry_breakers = sizeof usual / sizeof *usual;
    }
    j->generate.ignore_end = field_flag(f, "ignore_eos", false);
    j->request.priority = (int32_t)field_integer(f, "priority", 0, -1000, 1000);
}

void job_set_length(struct job *j, int64_t n)
{
    const int32_t most = j->service->options.max_tokens;
    if (most > 0 && (n < 0 || n > most))
        n = most;
    j->generate.n_predict = n < 0 ? -1 : n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

void job_set_schema(struct job *j, struct fields *f, const char *param, const json_t *schema)
{
    infer_error err = { 0 };
    char *const text = schema ? json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("{\"type\":\"object\"}");
    infer_grammar_close(&j->setup.response);
    if (text)
        j->setup.response = infer_grammar_open(j->service->context, INFER_JSON_SCHEMA, text, strlen(text), NULL, &err);
    if (!j->setup.response)
        field_wrong(f, param, "%s", err.message);
    free(text);
}
