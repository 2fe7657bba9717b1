/* items.c - conversations as /v1/responses has them. */
#include "service/items.h"

#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ID = 64 };

json_t *item_id(const char *prefix)
{
    char id[ID_LENGTH + 8];
    snprintf(id, sizeof id, "%s", prefix);
    service_random(id + strlen(id), ID_LENGTH);
    return json_string(id);
}

/* ---- Reading ---- */

static bool is_type(const json_t *item, const char *type)
{
    const char *const found = json_string_value(json_object_get(item, "type"));
    return found && !strcmp(found, type);
}

static void check_text(struct fields *f, const char *param, const json_t *item, const char *name)
{
    if (!json_is_string(json_object_get(item, name)))
        field_wrong(f, param, "%s of an item is expected to be a string, found %s", name,
                    json_kind(json_object_get(item, name)));
}

static void check_content(struct fields *f, const char *param, const json_t *content)
{
    free(conversation_text(f, param, content));
}

/* A message's string becomes its only part. */
static void complete_message(json_t *item)
{
    const json_t *const role = json_object_get(item, "role");
    const bool answer = json_is_string(role) && !strcmp(json_string_value(role), "assistant");
    json_t *const content = json_object_get(item, "content");
    json_object_set_new(item, "type", json_string("message"));
    if (!json_is_string(content))
        return;
    json_t *const part = json_pack("{s:s, s:O}", "type", answer ? "output_text" : "input_text", "text", content);
    if (answer)
        json_object_set_new(part, "annotations", json_array());
    json_object_set_new(item, "content", json_pack("[o]", part));
}

static json_t *read_item(struct fields *f, const char *param, const json_t *sent)
{
    json_t *const item = json_copy((json_t *)sent);
    const json_t *const type = json_object_get(sent, "type"), *const id = json_object_get(sent, "id");
    const char *prefix = "msg_";
    if (!json_is_object(sent)) {
        field_wrong(f, param, "an item is expected to be an object, found %s", json_kind(sent));
    } else if (is_type(sent, "message") || (!type && json_object_get(sent, "role"))) {
        check_text(f, param, sent, "role");
        check_content(f, param, json_object_get(sent, "content"));
        complete_message(item);
    } else if (is_type(sent, "function_call")) {
        check_text(f, param, sent, "call_id");
        check_text(f, param, sent, "name");
        check_text(f, param, sent, "arguments");
        prefix = "fc_";
    } else if (is_type(sent, "function_call_output")) {
        check_text(f, param, sent, "call_id");
        check_content(f, param, json_object_get(sent, "output"));
        prefix = "fco_";
    } else if (is_type(sent, "reasoning")) {
        prefix = "rs_";
    } else {
        field_wrong(f, param, "an item's type is expected to be message, function_call, function_call_output or "
                    "reasoning, found %s", json_is_string(type) ? json_string_value(type) : json_kind(type));
    }
    if (!json_is_string(id) || !json_string_length(id) || json_string_length(id) > MAX_ID)
        json_object_set_new(item, "id", item_id(prefix));
    if (!json_is_string(json_object_get(item, "status")))
        json_object_set_new(item, "status", json_string("completed"));
    return item;
}

json_t *items_read(struct fields *f, const char *param, const json_t *input)
{
    json_t *const items = json_array(), *sent;
    size_t i;
    if (json_is_string(input)) {
        json_t *const message = json_pack("{s:s, s:O}", "role", "user", "content", input);
        json_array_append_new(items, read_item(f, param, message));
        json_decref(message);
    } else if (!json_is_array(input) || !json_array_size(input)) {
        field_wrong(f, param, "expected a string or an array of items, at least one, found %s",
                    json_is_array(input) ? "none" : json_kind(input));
    }
    json_array_foreach(input, i, sent)
        if (!f->param)
            json_array_append_new(items, read_item(f, param, sent));
    if (!f->param)
        return items;
    json_decref(items);
    return NULL;
}

/* ---- Messages ---- */

/* The assistant's message that an item is a part of: the last one, or a new one. */
static json_t *answer_message(json_t *messages)
{
    json_t *const last = json_array_get(messages, json_array_size(messages) - 1);
    const char *const role = json_string_value(json_object_get(last, "role"));
    if (role && !strcmp(role, "assistant"))
        return last;
    json_t *const message = json_pack("{s:s, s:n}", "role", "assistant", "content");
    json_array_append_new(messages, message);
    return message;
}

static void add_message(json_t *messages, const json_t *item)
{
    json_t *const content = json_object_get(item, "content");
    const char *const role = json_string_value(json_object_get(item, "role"));
    json_t *const answer = !strcmp(role, "assistant") ? answer_message(messages) : NULL;
    if (answer && json_is_null(json_object_get(answer, "content")))
        json_object_set(answer, "content", content);
    else
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", role, "content", content));
}

static void add_reasoning(json_t *messages, const json_t *item)
{
    json_t *const message = answer_message(messages), *part;
    const json_t *const parts = json_array_size(json_object_get(item, "content")) ? json_object_get(item, "content")
                                                                                  : json_object_get(item, "summary");
    struct text text = { 0 };
    size_t i;
    const char *const before = json_string_value(json_object_get(message, "reasoning_content"));
    if (before)
        text_printf(&text, "%s\n", before);
    json_array_foreach(parts, i, part)
        if (json_is_string(json_object_get(part, "text")))
            text_add_string(&text, json_string_value(json_object_get(part, "text")));
    if (text.n)
        json_object_set_new(message, "reasoning_content", json_stringn(text.v, text.n));
    text_free(&text);
}

static void add_call(json_t *messages, const json_t *item)
{
    json_t *const message = answer_message(messages);
    json_t *const call = json_pack("{s:O, s:s, s:{s:O, s:O}}", "id", json_object_get(item, "call_id"), "type",
                                   "function", "function", "name", json_object_get(item, "name"), "arguments",
                                   json_object_get(item, "arguments"));
    if (!json_object_get(message, "tool_calls"))
        json_object_set_new(message, "tool_calls", json_array());
    json_array_append_new(json_object_get(message, "tool_calls"), call);
}

/* What the system says at the beginning is one message, as many templates know no more. */
static void join_systems(json_t *messages)
{
    for (;;) {
        json_t *const first = json_array_get(messages, 0), *const second = json_array_get(messages, 1);
        const char *const role = json_string_value(json_object_get(second, "role"));
        const char *const a = json_string_value(json_object_get(first, "content"));
        const char *const b = json_string_value(json_object_get(second, "content"));
        if (!role || strcmp(role, "system") || strcmp(json_string_value(json_object_get(first, "role")), "system") ||
            !a || !b)
            return;
        json_object_set_new(first, "content", json_sprintf("%s\n\n%s", a, b));
        json_array_remove(messages, 1);
    }
}

json_t *items_messages(struct fields *f, const char *param, const char *instructions, const json_t *items)
{
    json_t *const messages = json_array(), *item;
    size_t i;
    if (instructions)
        json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system", "content", instructions));
    json_array_foreach(items, i, item) {
        if (is_type(item, "message"))
            add_message(messages, item);
        else if (is_type(item, "reasoning"))
            add_reasoning(messages, item);
        else if (is_type(item, "function_call"))
            add_call(messages, item);
        else
            json_array_append_new(messages, json_pack("{s:s, s:O, s:O}", "role", "tool", "tool_call_id",
                                                      json_object_get(item, "call_id"), "content",
                                                      json_object_get(item, "output")));
    }
    json_t *const checked = conversation_messages(f, param, messages);
    json_decref(messages);
    join_systems(checked);
    return checked;
}
