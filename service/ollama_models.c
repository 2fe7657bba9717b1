/* ollama_models.c - GET /api/tags, POST /api/show, GET /api/ps, GET /api/version, and what is refused. */
#include "service/ollama.h"
#include "service/own.h"
#include "service/prompts.h"
#include "service/service.h"
#include "service/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* The version of Ollama whose API this is: clients ask whether it is new enough for them. */
static const char api_version[] = "0.12.6";

const char *ollama_count(uint64_t n, char text[OLLAMA_COUNT])
{
    static const struct {
        double least;
        const char *name;
    } units[] = { { 1e12, "T" }, { 1e9, "B" }, { 1e6, "M" }, { 1e3, "K" }, { 0, "" } };
    size_t u = 0;
    while ((double)n < units[u].least)
        u++;
    const double unit = units[u].least > 0 ? units[u].least : 1;
    snprintf(text, OLLAMA_COUNT, (double)n / unit < 10 && u < 4 ? "%.1f%s" : "%.0f%s", (double)n / unit, units[u].name);
    return text;
}

/* ---- A model ---- */

static void upper(char *to, size_t max, const char *from)
{
    size_t n = 0;
    for (; from[n] && n + 1 < max; n++)
        to[n] = (char)toupper((unsigned char)from[n]);
    to[n] = '\0';
}

/* What is known without opening it is little. */
static json_t *details(const struct served *s)
{
    const size_t n = s->path ? strlen(s->path) : 0;
    const bool gguf = !s->path || (n > 5 && !strcasecmp(s->path + n - 5, ".gguf"));
    const char *family = "";
    char size[OLLAMA_COUNT] = "", level[32] = "";
    if (s->model && !s->busy) {
        infer_model_info info = { .size = sizeof info };
        infer_model_get_info(s->model, &info);
        family = info.architecture;
        ollama_count(info.n_params, size);
        upper(level, sizeof level, info.quantization);
    }
    json_t *const families = *family ? json_pack("[s]", family) : json_null();
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}", "parent_model", "", "format", gguf ? "gguf" : "safetensors",
                     "family", family, "families", families, "parameter_size", size, "quantization_level", level);
}

static json_int_t bytes_of(const struct served *s)
{
    infer_model_info info = { .size = sizeof info };
    struct stat st;
    if (s->bytes)
        return (json_int_t)s->bytes;
    if (s->model && !s->busy) {
        infer_model_get_info(s->model, &info);
        return (json_int_t)info.bytes;
    }
    return s->path && !stat(s->path, &st) && S_ISREG(st.st_mode) ? (json_int_t)st.st_size : 0;
}

/* 64 letters that are others once the file is another one: of its name, size and time, as reading all of it would take
 * too long. */
static json_t *digest(const struct served *s, const struct stat *st)
{
    char text[65];
    for (int part = 0; part < 4; part++) {
        uint64_t hash = 0xcbf29ce484222325u + (uint64_t)part; /* FNV-1a */
        const uint64_t of[] = { (uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec };
        for (const char *p = s->id; *p; p++)
            hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
        for (size_t i = 0; i < sizeof of; i++)
            hash = (hash ^ ((const unsigned char *)of)[i]) * 0x100000001b3u;
        snprintf(text + 16 * part, 17, "%016llx", (unsigned long long)hash);
    }
    return json_string(text);
}

/* What tags and ps tell of each. */
static json_t *entry(const infer_service *service, const struct served *s)
{
    struct stat st = { .st_mtim = { .tv_sec = (time_t)service->started } };
    if (s->path && stat(s->path, &st) != 0)
        st.st_mtim.tv_sec = (time_t)service->started;
    return json_pack("{s:s, s:s, s:o, s:I, s:o, s:o}", "name", s->id, "model", s->id, "modified_at",
                     ollama_time_at(st.st_mtim), "size", bytes_of(s), "digest", digest(s, &st), "details", details(s));
}

struct listing {
    const infer_service *service;
    json_t *all;
};

static void list_tag(void *user, const struct served *s)
{
    struct listing *const l = user;
    json_array_append_new(l->all, entry(l->service, s));
}

void ollama_tags(infer_exchange *x)
{
    struct listing l = { x->service, json_array() };
    models_each(&x->service->models, list_tag, &l);
    exchange_answer_json(x, 200, json_pack("{s:o}", "models", l.all));
}

static void list_open(void *user, const struct served *s)
{
    const double forever = 100 * 365.25 * 86400; /* for a model that is not closed for its age */
    struct listing *const l = user;
    infer_model_info info = { .size = sizeof info };
    infer_scheduler_info running = { .size = sizeof running };
    if (!s->model || s->busy)
        return;
    json_t *const one = entry(l->service, s);
    infer_model_get_info(s->model, &info);
    if (s->scheduler)
        infer_scheduler_get_info(s->scheduler, &running);
    json_object_set_new(one, "expires_at", ollama_time(s->until ? s->until - service_seconds() : forever));
    json_object_set_new(one, "size_vram", json_integer(0));
    json_object_set_new(one, "context_length", json_integer(s->scheduler ? running.n_ctx : info.n_ctx_train));
    json_array_append_new(l->all, one);
}

void ollama_ps(infer_exchange *x)
{
    struct listing l = { x->service, json_array() };
    models_each(&x->service->models, list_open, &l);
    exchange_answer_json(x, 200, json_pack("{s:o}", "models", l.all));
}

/* ---- Showing one ---- */

/* All metadata; lists of the tokenizer, which are long, are empty unless they are asked for. */
static json_t *metadata(const infer_model *model, bool all)
{
    json_t *const object = json_object();
    const char *key;
    size_t n = 0;
    for (size_t i = 0; infer_model_metadata(model, i, false, &key, NULL, 0, &n); i++) {
        char *const value = malloc(n + 1);
        json_t *json = NULL;
        if (value && infer_model_metadata(model, i, false, &key, value, n + 1, &n))
            json = json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (json_is_array(json) && !all && !strncmp(key, "tokenizer.", 10))
            json_array_clear(json);
        json_object_set_new(object, key, json ? json : json_null());
        free(value);
    }
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(model, &info);
    if (!json_object_get(object, "general.architecture"))
        json_object_set_new(object, "general.architecture", json_string(info.architecture));
    json_object_set_new(object, "general.parameter_count", json_integer((json_int_t)info.n_params));
    return object;
}

static json_t *capabilities(const infer_model *model, const char *chat)
{
    infer_model_info info = { .size = sizeof info };
    json_t *const list = json_array();
    infer_model_get_info(model, &info);
    json_array_append_new(list, json_string(info.encoder ? "embedding" : "completion"));
    if (strstr(chat, "tools"))
        json_array_append_new(list, json_string("tools"));
    if (strstr(chat, "<think>") || strstr(chat, "enable_thinking") || strstr(chat, "reasoning_effort"))
        json_array_append_new(list, json_string("thinking"));
    if (fills_holes(model))
        json_array_append_new(list, json_string("insert"));
    return list;
}

/* What requests get that say nothing, a line each. */
static void add_parameters(struct text *t, const char *before)
{
    const infer_sampler_options o = infer_sampler_defaults();
    const struct {
        const char *name;
        double value;
    } all[] = { { "temperature", (double)o.temperature },
                { "top_k", o.top_k },
                { "top_p", (double)o.top_p },
                { "min_p", (double)o.min_p },
                { "repeat_penalty", (double)o.repeat_penalty } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        text_printf(t, "%s%-30s %.6g\n", before, all[i].name, all[i].value);
}

void ollama_show(infer_exchange *x)
{
    struct asked a;
    struct text file = { 0 }, parameters = { 0 };
    if (!asked_open(&a, x))
        return;
    const bool verbose = field_flag(&a.f, "verbose", false);
    if (!fields_fail(&a.f, x)) {
        const infer_tokenizer *const tokenizer = infer_model_tokenizer(a.model->model);
        const char *chat = tokenizer ? infer_tokenizer_chat_template(tokenizer) : NULL;
        chat = chat ? chat : infer_chat_template_builtin("chatml");
        text_printf(&file, "# a chat template of libinfer is Jinja\nFROM %s\nTEMPLATE \"\"\"%s\"\"\"\n", a.model->id,
                    chat);
        add_parameters(&file, "PARAMETER ");
        add_parameters(&parameters, "");
        json_t *const known = entry(x->service, a.model);
        exchange_answer_json(
            x, 200,
            json_pack("{s:s, s:s, s:s, s:O, s:o, s:o, s:O}", "modelfile", text_string(&file), "parameters",
                      text_string(&parameters), "template", chat, "details", json_object_get(known, "details"),
                      "model_info", metadata(a.model->model, verbose), "capabilities",
                      capabilities(a.model->model, chat), "modified_at", json_object_get(known, "modified_at")));
        json_decref(known);
    }
    text_free(&file);
    text_free(&parameters);
    asked_close(&a);
}

/* ---- The rest ---- */

void ollama_version(infer_exchange *x)
{
    const unsigned version = infer_version();
    char text[48];
    snprintf(text, sizeof text, "%u.%u.%u", version >> 16, version >> 8 & 255, version & 255);
    exchange_answer_json(x, 200, json_pack("{s:s, s:s}", "version", api_version, "libinfer", text));
}

void ollama_refuse(infer_exchange *x)
{
    exchange_fail(x, 403, NULL, NULL, "this server's models are files, which no request makes, copies or deletes");
}
