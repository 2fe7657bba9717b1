/* messages_read.c - conversations and tools as Anthropic's API has them, brought to the form of OpenAI's. */
#include "service/messages.h"

#include <stdlib.h>
#include <string.h>

struct reading {
    struct fields *f;
    json_t *all;   /* the messages so far */
    json_t *names; /* of tools, by the ids of their calls */
};

static const char *type_of(const json_t *block)
{
    const char *const type = json_string_value(json_object_get(block, "type"));
    return type ? type : "";
}

static bool is(const json_t *block, const char *type)
{
    return !strcmp(type_of(block), type);
}

/* The string of a block's key goes behind a text. */
static void add(struct reading *r, struct text *to, const json_t *block, const char *key)
{
    const json_t *const text = json_object_get(block, key);
    if (!json_is_string(text))
        field_wrong(r->f, "messages", "%s of a block of the type %s is expected to be a string, found %s", key,
                    type_of(block), json_kind(text));
    else
        text_add(to, json_string_value(text), json_string_length(text));
}

static void refuse(struct reading *r, const json_t *block)
{
    if (!json_is_object(block))
        field_wrong(r->f, "messages", "a block is expected to be an object, found %s", json_kind(block));
    else
        field_wrong(r->f, "messages",
                    "a block of the type \"%.40s\" is not understood here: this server reads text alone",
                    type_of(block));
}

/* Text, or a document that is text. */
static void add_text(struct reading *r, struct text *to, const json_t *block)
{
    const json_t *const source = json_object_get(block, "source");
    if (is(block, "text"))
        add(r, to, block, "text");
    else if (is(block, "document") && is(source, "text"))
        add(r, to, source, "data");
    else
        refuse(r, block);
}

/* All text of a string or of blocks. */
static void add_content(struct reading *r, struct text *to, const json_t *content)
{
    size_t i;
    json_t *block;
    if (json_is_string(content))
        text_add(to, json_string_value(content), json_string_length(content));
    else if (!json_is_array(content))
        field_wrong(r->f, "messages", "content is expected to be a string or an array of blocks, found %s",
                    json_kind(content));
    json_array_foreach(content, i, block)
        add_text(r, to, block);
}

/* A message more; of a role that spoke last it becomes part of that one's, as templates often want turns to alternate.
 * The text is freed. */
static void say(struct reading *r, const char *role, struct text *text)
{
    json_t *const last = json_array_get(r->all, json_array_size(r->all) - 1);
    const json_t *const before = json_object_get(last, "content");
    if (last && !strcmp(role, json_string_value(json_object_get(last, "role"))) && json_is_string(before)) {
        struct text both = { 0 };
        text_add(&both, json_string_value(before), json_string_length(before));
        text_add(&both, "\n\n", 2);
        text_add(&both, text_string(text), text->n);
        json_object_set_new(last, "content", json_stringn(text_string(&both), both.n));
        text_free(&both);
    } else {
        json_array_append_new(r->all, json_pack("{s:s, s:s%}", "role", role, "content", text_string(text), text->n));
    }
    text_free(text);
}

/* What a tool has answered. */
static void read_result(struct reading *r, const json_t *block)
{
    struct text text = { 0 };
    const json_t *const id = json_object_get(block, "tool_use_id"), *const content = json_object_get(block, "content");
    if (!json_is_string(id)) {
        field_wrong(r->f, "messages", "a tool_result is expected to have a tool_use_id, found %s", json_kind(id));
        return;
    }
    if (content && !json_is_null(content))
        add_content(r, &text, content);
    json_t *const message =
        json_pack("{s:s, s:O, s:s%}", "role", "tool", "tool_call_id", id, "content", text_string(&text), text.n);
    json_t *const name = json_object_get(r->names, json_string_value(id));
    if (message && name)
        json_object_set(message, "name", name);
    json_array_append_new(r->all, message);
    text_free(&text);
}

/* Results come before what is said beside them. */
static void read_user(struct reading *r, const char *role, const json_t *content)
{
    struct text text = { 0 };
    size_t i;
    json_t *block;
    bool results = false;
    if (!json_is_array(content))
        add_content(r, &text, content);
    json_array_foreach(content, i, block) {
        if (is(block, "tool_result")) {
            if (text.n)
                say(r, role, &text);
            read_result(r, block);
            results = true;
        } else {
            add_text(r, &text, block);
        }
    }
    if (text.n || !results)
        say(r, role, &text);
}

static json_t *read_call(struct reading *r, const json_t *block)
{
    const json_t *const id = json_object_get(block, "id"), *const name = json_object_get(block, "name");
    json_t *const input = json_object_get(block, "input");
    if (!json_is_string(id) || !json_is_string(name) || !json_is_object(input)) {
        field_wrong(r->f, "messages", "a tool_use is expected to have an id, a name and an object as input");
        return NULL;
    }
    json_object_set(r->names, json_string_value(id), (json_t *)name);
    char *const arguments = json_dumps(input, JSON_COMPACT);
    json_t *const call = json_pack("{s:O, s:s, s:{s:O, s:s}}", "id", id, "type", "function", "function", "name", name,
                                   "arguments", arguments ? arguments : "{}");
    free(arguments);
    return call;
}

static void read_assistant(struct reading *r, const json_t *content)
{
    struct text text = { 0 }, reasoning = { 0 };
    json_t *const calls = json_array(), *block;
    size_t i;
    if (!json_is_array(content))
        add_content(r, &text, content);
    json_array_foreach(content, i, block) {
        if (is(block, "thinking"))
            add(r, &reasoning, block, "thinking");
        else if (is(block, "tool_use"))
            json_array_append_new(calls, read_call(r, block));
        else if (!is(block, "redacted_thinking"))
            add_text(r, &text, block);
    }
    json_t *const message = json_pack("{s:s, s:s%}", "role", "assistant", "content", text_string(&text), text.n);
    if (reasoning.n)
        json_object_set_new(message, "reasoning_content", json_stringn(reasoning.v, reasoning.n));
    if (json_array_size(calls))
        json_object_set(message, "tool_calls", calls);
    json_array_append_new(r->all, message);
    json_decref(calls);
    text_free(&text);
    text_free(&reasoning);
}

static void read_message(struct reading *r, const json_t *message)
{
    const char *const role = json_string_value(json_object_get(message, "role"));
    const json_t *const content = json_object_get(message, "content");
    if (!json_is_object(message))
        field_wrong(r->f, "messages", "a message is expected to be an object, found %s", json_kind(message));
    else if (role && !strcmp(role, "assistant"))
        read_assistant(r, content);
    else if (role && (!strcmp(role, "user") || !strcmp(role, "system")))
        read_user(r, role, content);
    else
        field_wrong(r->f, "messages", "a message's role is expected to be user or assistant, found %.40s",
                    role ? role : "none");
}

json_t *messages_conversation(struct fields *f, const json_t *system, const json_t *messages)
{
    struct reading r = { .f = f, .all = json_array(), .names = json_object() };
    struct text text = { 0 };
    size_t i;
    json_t *message;
    if (system)
        add_content(&r, &text, system);
    if (text.n)
        say(&r, "system", &text);
    if (!json_is_array(messages) || !json_array_size(messages))
        field_wrong(f, "messages", "expected an array of messages, at least one, found %s",
                    json_is_array(messages) ? "none" : json_kind(messages));
    json_array_foreach(messages, i, message)
        if (!f->param)
            read_message(&r, message);
    text_free(&text);
    json_decref(r.names);
    if (!f->param)
        return r.all;
    json_decref(r.all);
    return NULL;
}

/* ---- Tools ---- */

void messages_tools(struct job *j, struct fields *f, const json_t *tools)
{
    json_t *const all = json_array(), *tool;
    size_t i;
    json_array_foreach(tools, i, tool) {
        const json_t *const name = json_object_get(tool, "name"), *const about = json_object_get(tool, "description");
        json_t *const schema = json_object_get(tool, "input_schema");
        const struct fields one = fields_of(tool);
        if (field_any(&one, "type") && !is(tool, "custom"))
            field_wrong(f, "tools", "tool %zu is of the type \"%.40s\": this server runs no tools of its own", i,
                        type_of(tool));
        else if (!json_is_string(name) || !json_is_object(schema))
            field_wrong(f, "tools", "tool %zu is expected to have a name and an input_schema", i);
        else
            json_array_append_new(
                all, json_pack("{s:s, s:{s:O, s:s, s:O}}", "type", "function", "function", "name", name, "description",
                               about && json_is_string(about) ? json_string_value(about) : "", "parameters", schema));
    }
    job_set_tools(j, f, "tools", all);
    json_decref(all);
}

void messages_tool_choice(struct job *j, struct fields *f, const json_t *choice)
{
    if (!choice)
        return;
    struct fields inner = fields_of(choice);
    j->setup.single_call = field_flag(&inner, "disable_parallel_tool_use", false);
    const char *const name = field_text(&inner, "name", NULL);
    if (is(choice, "none"))
        j->setup.tool_choice = INFER_TOOL_NONE;
    else if (is(choice, "any") || (is(choice, "tool") && name))
        j->setup.tool_choice = INFER_TOOL_REQUIRED;
    else if (!is(choice, "auto"))
        field_wrong(f, "tool_choice", "expected the type auto, any, none, or tool with a name");
    if (inner.param)
        field_wrong(f, "tool_choice", "%s: %s", inner.param, inner.why);
    if (is(choice, "tool"))
        j->setup.tool_name = name;
    if (j->setup.tool_choice == INFER_TOOL_REQUIRED && !j->setup.tools)
        field_wrong(f, "tool_choice", "a call is required, but there are no tools");
}
