/* own_models.c - which models there are, and whether the server is well. */
#include "service/own.h"
#include "service/service.h"

void health(infer_exchange *x)
{
    infer_service *const s = x->service;
    pthread_mutex_lock(&s->lock);
    const bool draining = s->draining;
    pthread_mutex_unlock(&s->lock);
    exchange_answer_json(x, draining ? 503 : 200, json_pack("{ss}", "status", draining ? "stopping" : "ok"));
}

/* A model as OpenAI's API tells it, and what else is known of it. */
static json_t *model_json(const infer_service *service, const struct served *s)
{
    json_t *const model = json_pack("{sssssIsssssb}", "id", s->id, "object", "model", "created",
                                    (json_int_t)service->started, "owned_by", "libinfer", "loaded", s->model != NULL);
    if (s->model) {
        infer_model_info info = { .size = sizeof info };
        infer_model_get_info(s->model, &info);
        json_object_set_new(model, "meta",
                            json_pack("{sssssisisIsIsb}", "architecture", info.architecture, "quantization",
                                      info.quantization, "n_vocab", (int)info.n_vocab, "n_ctx_train",
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

void models_list(infer_exchange *x)
{
    struct listing l = { x->service, json_array() };
    models_each(&x->service->models, list_one, &l);
    exchange_answer_json(x, 200, json_pack("{ssso}", "object", "list", "data", l.all));
}

void models_one(infer_exchange *x)
{
    struct served *const s = models_find(&x->service->models, x->rest);
    if (!s) {
        exchange_fail(x, 404, "model", "model_not_found", "no model is called \"%s\"", x->rest);
        return;
    }
    json_t *const model = model_json(x->service, s);
    models_give(&x->service->models, s);
    exchange_answer_json(x, 200, model);
}
