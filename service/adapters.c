/* adapters.c - GET and POST /lora-adapters: the first model's adapters, and how strong they are for requests that say
 * nothing themselves. */
#include "service/own.h"
#include "service/service.h"

#include <math.h>
#include <string.h>

static json_t *list_of(struct models *m, const struct served *s)
{
    json_t *const list = json_array();
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < s->n_adapters; i++) {
        const char *const slash = strrchr(s->adapters[i].path, '/');
        json_array_append_new(list, json_pack("{s:I, s:s, s:f}", "id", (json_int_t)i, "path",
                                              slash ? slash + 1 : s->adapters[i].path, "scale",
                                              (double)s->adapters[i].scale));
    }
    pthread_mutex_unlock(&m->lock);
    return list;
}

void adapters_list(infer_exchange *x)
{
    struct models *const m = &x->service->models;
    x->held = models_find(m, NULL);
    exchange_answer_json(x, 200, list_of(m, x->held));
}

/* [{"id": I, "scale": X}]: those that are not named get 0. Nothing changes if one is wrong. */
static bool read_scales(infer_exchange *x, const json_t *list, float *scales, size_t n)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) {
        const json_t *const id = json_object_get(one, "id"), *const scale = json_object_get(one, "scale");
        if (!json_is_integer(id) || json_integer_value(id) < 0 || (size_t)json_integer_value(id) >= n) {
            exchange_fail(x, 400, "id", "invalid_value",
                          "id: expected a whole number below %zu, the number of adapters", n);
            return false;
        }
        if (!json_is_number(scale) || fabs(json_number_value(scale)) > 1e6) {
            exchange_fail(x, 400, "scale", "invalid_value", "scale: expected a number from -1e6 to 1e6");
            return false;
        }
        scales[json_integer_value(id)] = (float)json_number_value(scale);
    }
    return true;
}

void adapters_set(infer_exchange *x)
{
    enum { MAX = 256 };
    struct models *const m = &x->service->models;
    float scales[MAX] = { 0 };
    json_t *const list = json_loadb(x->body, x->length, 0, NULL);
    struct served *const s = x->held = models_find(m, NULL);
    if (!json_is_array(list) || s->n_adapters > MAX) {
        exchange_fail(x, 400, NULL, "invalid_json", "the body is expected to be an array of {\"id\": I, \"scale\": X}");
    } else if (read_scales(x, list, scales, s->n_adapters)) {
        pthread_mutex_lock(&m->lock);
        for (size_t i = 0; i < s->n_adapters; i++)
            s->adapters[i].scale = scales[i];
        pthread_mutex_unlock(&m->lock);
        exchange_answer_json(x, 200, list_of(m, s));
    }
    json_decref(list);
}
