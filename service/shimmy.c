/* shimmy.c - Shimmy's API: {"model", "prompt" or "messages", "max_tokens", ...} gives {"response": T}, or as a stream
 * the text itself, piece by piece. */
#include "service/shimmy.h"

#include "service/ollama.h"
#include "service/service.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { USUAL_LENGTH = 256 }; /* tokens of a text, where the request says nothing */

/* ---- Answers ---- */

/* An event whose data is a text as it is: each of its lines has a field of its own. */
static void write_text(infer_exchange *x, const char *text, size_t n)
{
    struct text event = { 0 };
    for (size_t i = 0; i <= n; i++) {
        const size_t begin = i;
        while (i < n && text[i] != '\n' && text[i] != '\r')
            i++;
        text_add_string(&event, "data: ");
        text_add(&event, text + begin, i - begin);
        text_add_string(&event, "\n");
        i += i + 1 < n && text[i] == '\r' && text[i + 1] == '\n';
    }
    text_add_string(&event, "\n");
    if (!event.failed)
        exchange_write(x, event.v, event.n);
    text_free(&event);
}

static void begin(struct job *j)
{
    exchange_stream(j->x, "text/event-stream");
}

static void piece(struct job *j, struct answer *a, infer_chat_part part, const char *text, size_t length)
{
    (void)a;
    if (part == INFER_CHAT_CONTENT)
        write_text(j->x, text, length);
}

static void end(struct job *j)
{
    const struct answer *const a = j->answers;
    if (j->stream) {
        write_text(j->x, "[DONE]", 6);
        exchange_end(j->x);
    } else {
        exchange_answer_json(j->x, 200, json_pack("{s:s%}", "response", text_string(&a->content), a->content.n));
    }
}

static void fail(struct job *j, const infer_error *err)
{
    struct text text = { 0 };
    text_printf(&text, "[ERROR] %s", err->message);
    write_text(j->x, text_string(&text), text.n);
    write_text(j->x, "[DONE]", 6);
    text_free(&text);
}

static const struct writer writer = { begin, piece, end, fail };

/* ---- Messages of a WebSocket ---- */

static void begin_messages(struct job *j)
{
    exchange_stream(j->x, "text/plain; charset=utf-8");
}

static void message(struct job *j, struct answer *a, infer_chat_part part, const char *text, size_t length)
{
    (void)a;
    if (part == INFER_CHAT_CONTENT)
        exchange_write(j->x, text, length);
}

static void write_json(infer_exchange *x, json_t *taken)
{
    char *const text = taken ? json_dumps(taken, JSON_COMPACT) : NULL;
    json_decref(taken);
    if (text)
        exchange_write(x, text, strlen(text));
    free(text);
}

static void end_messages(struct job *j)
{
    write_json(j->x, json_pack("{s:b}", "done", 1));
    exchange_end(j->x);
}

static void fail_messages(struct job *j, const infer_error *err)
{
    write_json(j->x, json_pack("{s:s}", "error", err->message));
    write_json(j->x, json_pack("{s:b}", "done", 1));
}

static const struct writer socket_writer = { begin_messages, message, end_messages, fail_messages };

/* ---- Requests ---- */

bool shimmy_asks(const json_t *body)
{
    static const char *const own[] = { "max_tokens", "messages", "temperature", "top_p", "top_k" };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (json_object_get(body, own[i]))
            return true;
    return false;
}

/* A prompt is the only message of a conversation, if the model has a template for such. */
static void read_text(struct job *j, struct fields *f)
{
    const char *const prompt = field_text(f, "prompt", ""), *const system = field_text(f, "system", NULL);
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(j->model->model);
    if (field_any(f, "messages")) {
        j->messages = conversation_messages(f, "messages", field_any(f, "messages"));
        if (j->messages && system)
            json_array_insert_new(j->messages, 0, json_pack("{s:s, s:s}", "role", "system", "content", system));
    } else if (tokenizer && infer_tokenizer_chat_template(tokenizer)) {
        j->messages = json_pack("[{s:s, s:s}]", "role", "user", "content", prompt);
    } else {
        j->prompt = prompt;
        j->n_prompt = strlen(prompt);
    }
}

static void start(infer_exchange *x, json_t *body, const struct writer *how)
{
    struct job *const j = job_open(x, body, how);
    if (!j)
        return;
    struct fields f = fields_of(j->body);
    read_text(j, &f);
    job_set_length(j, field_integer(&f, "max_tokens", USUAL_LENGTH, 0, INT32_MAX));
    job_read_sampling(j, &f);
    job_read_stops(j, &f, "stop");
    j->stream = field_flag(&f, "stream", true) || how == &socket_writer;
    if (fields_fail(&f, x))
        job_free(j);
    else
        job_start(j);
}

void shimmy_generate(infer_exchange *x, json_t *body)
{
    start(x, body, &writer);
}

void shimmy_message(infer_exchange *x)
{
    json_t *const body = exchange_json(x);
    if (body)
        start(x, body, &socket_writer);
}

/* ---- What there is ---- */

static void list_one(void *user, const struct served *s)
{
    json_t *const one = json_pack("{s:s, s:n, s:n, s:n, s:s}", "name", s->id, "size_bytes", "model_type",
                                  "parameter_count", "source", s->first ? "registered" : "discovered");
    if (s->bytes)
        json_object_set_new(one, "size_bytes", json_integer((json_int_t)s->bytes));
    if (s->model && !s->busy) {
        infer_model_info info = { .size = sizeof info };
        char count[OLLAMA_COUNT];
        infer_model_get_info(s->model, &info);
        json_object_set_new(one, "size_bytes", json_integer((json_int_t)info.bytes));
        json_object_set_new(one, "model_type", json_string(info.architecture));
        json_object_set_new(one, "parameter_count", json_string(ollama_count(info.n_params, count)));
    }
    json_array_append_new(user, one);
}

void shimmy_models(infer_exchange *x)
{
    json_t *const all = json_array();
    models_each(&x->service->models, list_one, all);
    exchange_answer_json(x, 200, json_pack("{s:o}", "models", all));
}

void shimmy_machine(infer_exchange *x)
{
    struct utsname name = { 0 };
    uname(&name);
    for (char *p = name.sysname; *p; p++)
        *p |= *p >= 'A' && *p <= 'Z' ? 32 : 0;
    const double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    exchange_answer_json(x, 200,
                         json_pack("{s:s, s:I, s:I}", "os", name.sysname, "cores",
                                   (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "mem_total_mb",
                                   (json_int_t)(bytes / (1 << 20))));
}
