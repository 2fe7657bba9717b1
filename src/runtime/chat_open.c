/* chat_open.c - how a model is talked with: its template, the tools, what answers are held to. */
#include "src/base/context.h"
#include "src/base/error.h"
#include "src/base/map.h"
#include "src/model/model.h"
#include "src/runtime/turn.h"

static infer_status copy(const infer_allocator *a, char **to, const char *text, size_t n, infer_error *err)
{
    *to = mem_new(a, n + 1, 1);
    if (!*to)
        return fail_memory(err, "a conversation");
    if (n)
        memcpy(*to, text, n);
    return INFER_OK;
}

/* ---- The template ---- */

static infer_status read_template(infer_chat *c, const char *path, infer_error *err)
{
    struct mapping m;
    infer_error why;
    if (map_open(&m, path, &why) != INFER_OK)
        return fail(err, why.code, "no chat template has this name, and as a file %.400s", why.message);
    const infer_status status = copy(c->a, &c->source, (const char *)m.data, m.size, err);
    map_close(&m);
    return status;
}

static infer_status open_template(infer_chat *c, const infer_chat_setup *o, infer_error *err)
{
    const char *own = infer_tokenizer_chat_template(c->tokenizer);
    const char *source = o->chat_template ? o->chat_template : own ? own : infer_chat_template_builtin("chatml");
    if (o->template_name)
        source = infer_chat_template_builtin(o->template_name);
    infer_status status = source ? copy(c->a, &c->source, source, strlen(source), err)
                                 : read_template(c, o->template_name, err);
    if (status != INFER_OK)
        return status;
    infer_error why;
    c->template = infer_chat_template_open(c->model->context, c->source, strlen(c->source), &why);
    if (!c->template)
        return fail(err, why.code, "%s", why.message);
    c->format = answer_format_find(o->format, c->source);
    return c->format ? INFER_OK : fail(err, INFER_E_ARGUMENT, "there is no format of answers \"%.64s\"", o->format);
}

/* ---- Tools ---- */

struct tool_list {
    struct render r;
    struct infer_chat_template base;
    infer_tool *items;
    size_t n;
    infer_error err;
};

static const char *terminated(struct render *r, struct text s)
{
    char *p = render_new(r, s.n + 1, 1);
    if (p && s.n)
        memcpy(p, s.p, s.n);
    return p;
}

/* {"type": "function", "function": {"name": F, "parameters": {...}}}, or what is within. */
static void read_tool(struct tool_list *l, size_t index, struct value v)
{
    static const struct json_style style = { .comma = { ",", 1 }, .colon = { ":", 1 } };
    struct render *r = &l->r;
    const struct value *within = v.type == V_DICT ? dict_get(r, v.u.dict, "function") : NULL;
    v = within ? *within : v;
    const struct value *name = v.type == V_DICT ? dict_get(r, v.u.dict, "name") : NULL;
    if (!name || !is_string(*name)) {
        render_fail(r, INFER_E_ARGUMENT, "tools: entry %zu has no function with a name", index);
        return;
    }
    const struct value *parameters = dict_get(r, v.u.dict, "parameters");
    infer_tool *tool = &l->items[l->n++];
    tool->name = terminated(r, name->u.s);
    if (parameters && parameters->type == V_DICT && parameters->u.dict->n) {
        const size_t mark = r->n_out;
        put_json(r, *parameters, &style, 0);
        tool->parameters = terminated(r, put_taken(r, mark).u.s);
    }
}

static void read_tools(struct tool_list *l, const infer_allocator *a, const char *json, const char *only)
{
    *l = (struct tool_list){ .base.a = a };
    struct render *r = &l->r;
    render_open(r, &l->base, &default_limits, &l->err);
    const struct value list = value_parse_json(r, text_of(json), "tools");
    if (list.type != V_LIST && !r->failed)
        render_fail(r, INFER_E_ARGUMENT, "tools: expected an array, found '%s'", value_type_name(list));
    l->items = r->failed ? NULL : render_new(r, list_count(list), sizeof *l->items);
    for (size_t i = 0; l->items && i < list_count(list) && !r->failed; i++) {
        read_tool(l, i, list.u.list->items[i]);
        if (only && l->n && !r->failed && strcmp(l->items[l->n - 1].name, only) != 0)
            l->n--;
    }
    if (!r->failed && !l->n)
        render_fail(r, INFER_E_ARGUMENT, only ? "tools: there is none of the name %.64s" : "tools: the array is empty%s",
                    only ? only : "");
}

static void log_bad(void *user, size_t index, const infer_error *why)
{
    context_log(user, INFER_LOG_WARN, "tool %zu is not held to its schema: %s", index, why->message);
}

/* The grammar of calls. Of formats whose calls no grammar can hold the model to: none if the model chooses; calls as
 * "json" has them if they are required. */
static infer_status open_calls(infer_chat *c, const infer_chat_setup *o, infer_error *err)
{
    const struct call_shape *shape = &c->format->shape;
    c->required = o->tool_choice == INFER_TOOL_REQUIRED;
    c->json_calls = c->required && !shape->begin;
    if (c->json_calls)
        shape = &answer_format_find("json", NULL)->shape;
    const bool lazy = !c->required && !c->response;
    if (!c->required && c->response && !shape->mark)
        return fail(err, INFER_E_ARGUMENT, "calls of the format %s begin with no mark, so the model cannot choose "
                    "between them and a response that has a grammar", c->format->name);
    struct tool_list tools;
    read_tools(&tools, c->a, o->tools, o->tool_name);
    infer_status status = tools.r.failed ? fail(err, tools.err.code, "%s", tools.err.message) : INFER_OK;
    if (status == INFER_OK && shape->begin && (shape->mark || !lazy)) {
        infer_tools_options g = infer_tools_defaults();
        infer_error why;
        g.begin = shape->begin;
        g.middle = shape->middle;
        g.end = shape->end;
        g.between = o->single_call ? NULL : shape->between;
        g.grammar.triggers = &shape->mark;
        g.grammar.n_triggers = lazy;
        g.on_bad = log_bad;
        g.user = c->model->context;
        c->mark = shape->mark;
        c->calls = infer_grammar_open_tools(c->model->context, tools.items, tools.n, &g, &why);
        status = c->calls ? INFER_OK : fail(err, why.code, "tools: %s", why.message);
    }
    render_close(&tools.r);
    return status;
}

/* ---- Opening ---- */

static infer_status check_setup(const infer_chat *c, const infer_chat_setup *o, infer_error *err)
{
    if (!c->tokenizer)
        return fail(err, INFER_E_ARGUMENT, "the model has no tokenizer for conversations");
    if (o->tool_choice < INFER_TOOL_AUTO || o->tool_choice > INFER_TOOL_REQUIRED)
        return fail(err, INFER_E_ARGUMENT, "chat setup: tool_choice is %d, expected 0 to 2", (int)o->tool_choice);
    if (o->tool_choice == INFER_TOOL_REQUIRED && !o->tools)
        return fail(err, INFER_E_ARGUMENT, "chat setup: a call is required, but there are no tools");
    if (o->reasoning_budget < -1)
        return fail(err, INFER_E_ARGUMENT, "chat setup: reasoning_budget is %d, expected -1 (no limit) or more",
                    o->reasoning_budget);
    return INFER_OK;
}

static infer_status set_up(infer_chat *c, const infer_chat_setup *o, infer_error *err)
{
    infer_status status = check_setup(c, o, err);
    if (status == INFER_OK)
        status = open_template(c, o, err);
    if (status == INFER_OK && o->variables)
        status = copy(c->a, &c->variables, o->variables, strlen(o->variables), err);
    c->response = o->response ? infer_grammar_retain(o->response) : NULL;
    c->reasoning_budget = o->reasoning_budget;
    c->now = o->now;
    if (status != INFER_OK || !o->tools || o->tool_choice == INFER_TOOL_NONE)
        return status;
    status = copy(c->a, &c->tools, o->tools, strlen(o->tools), err);
    return status == INFER_OK ? open_calls(c, o, err) : status;
}

infer_chat *infer_chat_open(infer_model *model, const infer_chat_setup *setup, infer_error *err)
{
    infer_chat_setup o = infer_chat_setup_defaults();
    if (!model)
        return fail_null(err, INFER_E_ARGUMENT, "a conversation needs a model; found NULL");
    if (setup && setup->size < sizeof setup->size)
        return fail_null(err, INFER_E_ARGUMENT, "chat setup: size is %zu; start from infer_chat_setup_defaults()",
                         setup->size);
    if (setup)
        memcpy(&o, setup, setup->size < sizeof o ? setup->size : sizeof o);
    const infer_allocator *a = context_allocator(model->context);
    infer_chat *c = mem_new(a, 1, sizeof *c);
    if (!c)
        return fail_memory(err, "a conversation"), NULL;
    c->a = a;
    c->model = infer_model_retain(model);
    c->tokenizer = infer_model_tokenizer(model);
    atomic_init(&c->owners, 1);
    if (set_up(c, &o, err) != INFER_OK)
        infer_chat_close(&c);
    return c;
}

void infer_chat_close(infer_chat **chat)
{
    infer_chat *c = *chat;
    *chat = NULL;
    if (!c || atomic_fetch_sub(&c->owners, 1) != 1)
        return;
    infer_model *model = c->model;
    infer_grammar_close(&c->calls);
    infer_grammar_close(&c->response);
    infer_chat_template_close(&c->template);
    mem_free(c->a, c->source);
    mem_free(c->a, c->variables);
    mem_free(c->a, c->tools);
    mem_free(c->a, c);
    infer_model_close(&model);
}

const char *infer_chat_format(const infer_chat *chat)
{
    return chat->format->name;
}
