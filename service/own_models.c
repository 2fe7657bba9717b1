/* own_models.c - which models there are, and whether the server is well. */
#include "service/own.h"
#include "service/service.h"

#include <stdio.h>

void health(infer_exchange *x)
{
    infer_service *const s = x->service;
    pthread_mutex_lock(&s->lock);
    const bool draining = s->draining;
    pthread_mutex_unlock(&s->lock);
    exchange_answer_json(x, draining ? 503 : 200, json_pack("{s:s}", "status", draining ? "stopping" : "ok"));
}

/* A model as OpenAI's API tells it, and what else is known of it. */
static json_t *model_json(const infer_service *service, const struct served *s)
{
    json_t *const model = json_pack("{s:s, s:s, s:I, s:s, s:b}", "id", s->id, "object", "model", "created",
                                    (json_int_t)service->started, "owned_by", "libinfer", "loaded", s->model != NULL);
    if (s->model) {
        infer_model_info info = { .size = sizeof info };
        infer_model_get_info(s->model, &info);
        json_object_set_new(model, "meta",
                            json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:b}", "architecture", info.architecture,
                                      "quantization", info.quantization, "n_vocab", (int)info.n_vocab, "n_ctx_train",
                                      (int)info.n_ctx_train, "n_params", (json_int_t)info.n_params, "size",
                                      (json_int_t)info.bytes, "encoder", info.encoder));
    }
    return model;
}

struct listing {
    const infer_service *service;
    json_t *all;
};

static void list_one(void *user, const struct served *s)
{
    struct listing *const l = user;
    json_array_append_new(l->all, model_json(l->service, s));
}

void model_load(infer_exchange *x)
{
    struct asked a;
    if (!asked_open(&a, x))
        return;
    exchange_answer_json(x, 200, model_json(x->service, a.model));
    asked_close(&a);
}

void model_unload(infer_exchange *x)
{
    json_t *const body = exchange_json(x);
    struct fields f = fields_of(body);
    struct models *const m = &x->service->models;
    if (!body)
        return;
    const char *const name = field_text(&f, "model", NULL);
    struct served *const s = x->held = fields_fail(&f, x) ? NULL : models_find(m, name);
    if (s && models_unload(m, s))
        exchange_answer_json(x, 200, model_json(x->service, s));
    else if (s)
        exchange_fail(x, 409, "model", NULL, "%s is in use", s->id);
    else if (!f.param)
        exchange_fail(x, 404, "model", "model_not_found", "no model is called \"%s\"", name);
    json_decref(body);
}

/* What requests get that say nothing. */
static json_t *usual_settings(const infer_service *service)
{
    const infer_sampler_options o = infer_sampler_defaults();
    return json_pack("{s:i, s:f, s:i, s:f, s:f, s:f, s:f, s:f, s:i}", "n_predict", service->options.max_tokens > 0 ?
                     (int)service->options.max_tokens : -1, "temperature", (double)o.temperature, "top_k", (int)o.top_k,
                     "top_p", (double)o.top_p, "min_p", (double)o.min_p, "repeat_penalty", (double)o.repeat_penalty,
                     "presence_penalty", (double)o.presence_penalty, "frequency_penalty", (double)o.frequency_penalty,
                     "seed", -1);
}

void props(infer_exchange *x)
{
    char name[512];
    infer_error err = { 0 };
    int status = 500;
    struct models *const m = &x->service->models;
    const bool named = exchange_query(x, "model", name, sizeof name);
    struct served *const s = x->held = models_take(m, named ? name : NULL, &status, &err);
    if (!s) {
        exchange_fail(x, status, "model", NULL, "%s", err.message);
        return;
    }
    const unsigned version = infer_version();
    char build[48];
    snprintf(build, sizeof build, "libinfer %u.%u.%u", version >> 16, version >> 8 & 255, version & 255);
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(s->model);
    const char *const chat = tokenizer ? infer_tokenizer_chat_template(tokenizer) : NULL;
    const bool chats = chat != NULL;
    exchange_answer_json(x, 200,
                         json_pack("{s:o, s:o, s:s, s:s?, s:b, s:s, s:i, s:s, s:i}", "default_generation_settings",
                                   usual_settings(x->service), "model", model_json(x->service, s), "model_alias", s->id,
                                   "chat_template", chat, "chat_model", chats, "build_info", build, "total_slots",
                                   (int)x->service->scheduler.max_running, "cpu",
                                   infer_context_cpu(x->service->context), "threads",
                                   infer_context_threads(x->service->context)));
}

void models_list(infer_exchange *x)
{
    struct listing l = { x->service, json_array() };
    models_each(&x->service->models, list_one, &l);
    exchange_answer_json(x, 200, json_pack("{s:s, s:o}", "object", "list", "data", l.all));
}

void models_one(infer_exchange *x)
{
    struct served *const s = models_find(&x->service->models, x->rest);
    if (!s) {
        exchange_fail(x, 404, "model", "model_not_found", "no model is called \"%s\"", x->rest);
        return;
    }
    x->held = s;
    exchange_answer_json(x, 200, model_json(x->service, s));
}
