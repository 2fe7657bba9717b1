/* slots.c - GET /slots, POST /slots/ID?action=save|restore|erase */
#include "service/slots.h"

#include "service/conversation.h"
#include "service/errors.h"
#include "service/own.h"
#include "service/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void clear(struct slot *s)
{
    infer_session_close(&s->session);
    json_decref(s->messages);
    free(s->model);
    free(s->text);
    *s = (struct slot){ 0 };
}

/* What is in a slot, for the caller alone; the slot is empty until it is put back. */
static struct slot take(struct slots *s, size_t id)
{
    pthread_mutex_lock(&s->lock);
    const struct slot taken = s->v[id];
    s->v[id] = (struct slot){ 0 };
    pthread_mutex_unlock(&s->lock);
    return taken;
}

/* Unless a request has left a text there meanwhile. */
static void put_back(struct slots *s, size_t id, struct slot *slot)
{
    pthread_mutex_lock(&s->lock);
    const bool room = !s->v[id].model;
    if (room)
        s->v[id] = *slot;
    pthread_mutex_unlock(&s->lock);
    if (!room)
        clear(slot);
}

bool slots_open(struct slots *s, size_t n)
{
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->acting, NULL);
    s->v = calloc(n, sizeof *s->v);
    s->n = s->v ? n : 0;
    return s->v;
}

void slots_close(struct slots *s)
{
    for (size_t i = 0; i < s->n; i++)
        clear(&s->v[i]);
    free(s->v);
    s->v = NULL;
    s->n = 0;
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->acting);
}

/* ---- Keeping ---- */

static json_t *answer_message(const struct answer *a)
{
    json_t *const message = json_pack("{s:s, s:s%}", "role", "assistant", "content", text_string(&a->content),
                                      a->content.n);
    if (a->reasoning.n)
        json_object_set_new(message, "reasoning_content", json_stringn(a->reasoning.v, a->reasoning.n));
    if (a->calls)
        json_object_set(message, "tool_calls", a->calls);
    return message;
}

void slots_keep(struct slots *s, const struct job *j)
{
    const json_t *const id = json_object_get(j->body, "id_slot");
    const bool texts = j->messages || j->prompt; /* and not ids */
    if (!texts || !json_is_integer(id) || json_integer_value(id) < 0 || (size_t)json_integer_value(id) >= s->n)
        return;
    struct slot kept = { .model = strdup(j->model->id) };
    if (j->messages) {
        kept.messages = json_copy(j->messages);
        json_array_append_new(kept.messages, answer_message(&j->answers[0]));
    } else if (j->prompt) {
        struct text text = { 0 };
        text_add(&text, j->prompt, j->n_prompt);
        text_add(&text, text_string(&j->answers[0].content), j->answers[0].content.n);
        kept.text = text.v;
    }
    struct slot before = take(s, (size_t)json_integer_value(id));
    clear(&before);
    put_back(s, (size_t)json_integer_value(id), &kept);
}

/* ---- Saving and restoring ---- */

/* The slot's text in the tokens that a request like it has; the caller frees them. */
static int32_t *tokens_of(const struct slot *slot, struct served *model, infer_context *context, size_t *n,
                          infer_error *err)
{
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(model->model);
    char *const written = slot->messages ? render_messages(model, context, slot->messages, NULL, err) : NULL;
    const char *const text = slot->messages ? written : slot->text;
    const unsigned flags = INFER_PARSE_SPECIAL | (slot->messages ? 0 : INFER_ADD_SPECIAL);
    int32_t *ids = NULL;
    if (text && infer_tokenizer_encode(tokenizer, text, strlen(text), flags, NULL, 0, n, err) == INFER_OK &&
        (ids = calloc(*n + 1, sizeof *ids)))
        infer_tokenizer_encode(tokenizer, text, strlen(text), flags, ids, *n, n, err);
    free(written);
    return ids;
}

/* A session as the model's texts have them. */
static infer_session *open_session(infer_service *service, struct served *model, infer_error *err)
{
    infer_session_options o = service->session;
    infer_scheduler_info info = { .size = sizeof info };
    infer_scheduler *const scheduler = served_scheduler(&service->models, model, err);
    if (!scheduler)
        return NULL;
    infer_scheduler_get_info(scheduler, &info);
    o.n_ctx = info.n_ctx;
    return infer_session_open(model->model, &o, err);
}

static infer_status save(infer_service *service, struct slot *slot, struct served *model, const char *path,
                         infer_error *err)
{
    size_t n = 0;
    if (slot->session && !slot->messages && !slot->text) /* it was restored, and is as it was then */
        return infer_session_save(slot->session, path, err);
    int32_t *const ids = tokens_of(slot, model, service->context, &n, err);
    infer_session *session = ids ? open_session(service, model, err) : NULL;
    infer_status status = session ? infer_session_sync(session, ids, n, NULL, err)
                                  : err->code ? err->code : INFER_E_NOMEM;
    if (status == INFER_OK)
        status = infer_session_save(session, path, err);
    free(ids);
    if (status != INFER_OK) {
        infer_session_close(&session);
        return status;
    }
    infer_session_close(&slot->session);
    slot->session = session;
    slot->n_tokens = n;
    return INFER_OK;
}

static infer_status restore(infer_service *service, struct slot *slot, struct served *model, const char *path,
                            infer_error *err)
{
    infer_session *session = open_session(service, model, err);
    infer_status status = session ? infer_session_load(session, path, err) : err->code;
    if (status == INFER_OK) /* so that others find it */
        status = infer_session_sync(session, infer_session_tokens(session), infer_session_length(session), NULL, err);
    if (status != INFER_OK) {
        infer_session_close(&session);
        return status;
    }
    clear(slot);
    slot->model = strdup(model->id);
    slot->session = session;
    slot->n_tokens = infer_session_length(session);
    return INFER_OK;
}

/* A file below the service's directory. The name is one of letters, digits, '.', '_' and '-', and does not begin with a
 * dot. */
static bool file_path(infer_exchange *x, struct fields *f, struct text *path)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *const directory = x->service->options.state_dir;
    const char *const name = field_text(f, "filename", "");
    if (!directory) {
        exchange_fail(x, 501, NULL, NULL, "this server has no directory to save slots in");
        return false;
    }
    if (!*name || *name == '.' || strlen(name) > 128 || name[strspn(name, letters)])
        field_wrong(f, "filename", "expected up to 128 letters, digits, dots, _ and -, not beginning with a dot");
    if (fields_fail(f, x))
        return false;
    text_printf(path, "%s/slots", directory);
    if (!path->failed && mkdir(path->v, 0700) && errno != EEXIST) {
        exchange_fail(x, 500, NULL, NULL, "the directory for slots cannot be made: %s", strerror(errno));
        return false;
    }
    text_printf(path, "/%s", name);
    return !path->failed;
}

static json_t *figures(size_t id, const char *name, const char *path, const struct slot *slot, bool saved, double ms)
{
    struct stat file = { 0 };
    stat(path, &file);
    return json_pack("{s:I, s:s, s:I, s:I, s:{s:f}}", "id_slot", (json_int_t)id, "filename", name,
                     saved ? "n_saved" : "n_restored", (json_int_t)slot->n_tokens, saved ? "n_written" : "n_read",
                     (json_int_t)file.st_size, "timings", saved ? "save_ms" : "restore_ms", ms);
}

/* Save or restore a slot that was taken. */
static void move(infer_exchange *x, struct asked *a, size_t id, struct slot *slot, bool saves)
{
    struct text path = { 0 };
    infer_error err = { 0 };
    const double began = service_seconds();
    if (saves && (!slot->model || strcmp(slot->model, a->model->id)))
        exchange_fail(x, 400, "id_slot", NULL, "slot %zu holds no text of %s: requests leave theirs by "
                      "\"id_slot\": %zu", id, a->model->id, id);
    else if (file_path(x, &a->f, &path)) {
        const infer_status status = (saves ? save : restore)(x->service, slot, a->model, path.v, &err);
        if (status == INFER_OK)
            exchange_answer_json(x, 200, figures(id, strrchr(path.v, '/') + 1, path.v, slot, saves,
                                                 1e3 * (service_seconds() - began)));
        else
            exchange_fail(x, status == INFER_E_IO ? 404 : http_status(status), "filename", NULL,
                          saves ? "the text cannot be saved: %s" : "the text cannot be restored: %s",
                          status == INFER_E_IO ? "its file cannot be opened" : err.message);
    }
    text_free(&path);
}

void slots_act(infer_exchange *x)
{
    char action[16] = "", *end;
    struct slots *const slots = &x->service->slots;
    struct asked a;
    const unsigned long id = strtoul(x->rest, &end, 10);
    exchange_query(x, "action", action, sizeof action);
    if (*end || *x->rest < '0' || *x->rest > '9' || id >= slots->n) {
        exchange_fail(x, 404, "id_slot", NULL, "there are slots from 0 to %zu", slots->n - 1);
        return;
    }
    pthread_mutex_lock(&slots->acting);
    struct slot slot = take(slots, id);
    if (!strcmp(action, "erase")) {
        const size_t n = slot.n_tokens;
        clear(&slot);
        exchange_answer_json(x, 200, json_pack("{s:I, s:I}", "id_slot", (json_int_t)id, "n_erased", (json_int_t)n));
    } else if (strcmp(action, "save") && strcmp(action, "restore")) {
        exchange_fail(x, 400, "action", NULL, "action: expected save, restore or erase");
    } else if (asked_open(&a, x)) {
        move(x, &a, id, &slot, !strcmp(action, "save"));
        asked_close(&a);
    }
    put_back(slots, id, &slot);
    pthread_mutex_unlock(&slots->acting);
}

void slots_list(infer_exchange *x)
{
    struct slots *const slots = &x->service->slots;
    json_t *const list = json_array();
    pthread_mutex_lock(&slots->lock);
    for (size_t i = 0; i < slots->n; i++)
        json_array_append_new(list, json_pack("{s:I, s:s?, s:I}", "id", (json_int_t)i, "model", slots->v[i].model,
                                              "n_tokens", (json_int_t)slots->v[i].n_tokens));
    pthread_mutex_unlock(&slots->lock);
    exchange_answer_json(x, 200, list);
}
