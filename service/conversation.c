/* conversation.c - conversations as OpenAI's API has them. */
#include "service/conversation.h"

#include "service/errors.h"

#include <stdlib.h>
#include <string.h>

char *conversation_text(struct fields *f, const char *param, const json_t *content)
{
    struct text all = { 0 };
    size_t i;
    json_t *part;
    if (json_is_string(content)) {
        text_add(&all, json_string_value(content), json_string_length(content));
        return all.v;
    }
    if (!json_is_array(content))
        field_wrong(f, param, "content is expected to be a string or an array of parts, found %s", json_kind(content));
    json_array_foreach(content, i, part) {
        const json_t *const named = json_object_get(part, "type"), *const text = json_object_get(part, "text");
        const char *const type = json_is_string(named) ? json_string_value(named) : json_kind(named);
        const bool known = !named || json_is_null(named) || !strcmp(type, "text") || !strcmp(type, "input_text") ||
                           !strcmp(type, "output_text");
        if (!known)
            field_wrong(f, param, "a part of type \"%s\" is not understood: this server reads text alone", type);
        else if (!json_is_string(text))
            field_wrong(f, param, "a part's text is expected to be a string, found %s", json_kind(text));
        else
            text_add(&all, json_string_value(text), json_string_length(text));
    }
    text_add(&all, "", 0);
    if (f->param || all.failed)
        text_free(&all);
    return all.v;
}

static bool is_role(const char *role)
{
    static const char *const roles[] = { "system", "developer", "user", "assistant", "tool", "function" };
    for (size_t i = 0; role && i < sizeof roles / sizeof *roles; i++)
        if (!strcmp(role, roles[i]))
            return true;
    return false;
}

/* A call's arguments are a string of JSON; some clients send the object. */
static void check_calls(struct fields *f, const char *param, json_t *calls)
{
    size_t i;
    json_t *call;
    if (calls && !json_is_null(calls) && !json_is_array(calls))
        field_wrong(f, param, "tool_calls is expected to be an array, found %s", json_kind(calls));
    json_array_foreach(calls, i, call) {
        const json_t *const function = json_object_get(call, "function");
        const json_t *const arguments = json_object_get(function, "arguments");
        if (!json_is_string(json_object_get(function, "name")))
            field_wrong(f, param, "a call of a tool is expected to have a function with a name");
        else if (!json_is_string(arguments) && !json_is_object(arguments))
            field_wrong(f, param, "a call's arguments are expected to be a string of JSON, found %s",
                        json_kind(arguments));
    }
}

static json_t *message(struct fields *f, const char *param, const json_t *from)
{
    const char *const role = json_string_value(json_object_get(from, "role"));
    const json_t *const content = json_object_get(from, "content");
    const bool answer = role && !strcmp(role, "assistant");
    if (!json_is_object(from))
        field_wrong(f, param, "a message is expected to be an object, found %s", json_kind(from));
    else if (!is_role(role))
        field_wrong(f, param, "a message's role is expected to be system, user, assistant or tool, found %s",
                    role ? role : "none");
    else if (!answer && (!content || json_is_null(content)))
        field_wrong(f, param, "a message of the role %s is expected to have content", role);
    check_calls(f, param, json_object_get(from, "tool_calls"));
    if (f->param)
        return NULL;
    json_t *const to = json_copy((json_t *)from);
    if (!strcmp(role, "developer"))
        json_object_set_new(to, "role", json_string("system"));
    if (answer && (!content || json_is_null(content)))
        json_object_set_new(to, "content", json_string("")); /* many templates take it for a string */
    if (content && !json_is_null(content)) {
        char *const text = conversation_text(f, param, content);
        if (text)
            json_object_set_new(to, "content", json_string(text) ?: json_stringn(json_string_value(content),
                                                                                json_string_length(content)));
        free(text);
    }
    return to;
}

json_t *conversation_messages(struct fields *f, const char *param, const json_t *messages)
{
    size_t i;
    json_t *from, *const all = json_array();
    if (!json_is_array(messages) || !json_array_size(messages))
        field_wrong(f, param, "expected an array of messages, at least one, found %s",
                    json_is_array(messages) ? "none" : json_kind(messages));
    json_array_foreach(messages, i, from)
        if (!f->param)
            json_array_append_new(all, message(f, param, from));
    if (!f->param)
        return all;
    json_decref(all);
    return NULL;
}

void job_set_tools(struct job *j, struct fields *f, const char *param, const json_t *tools)
{
    size_t i;
    json_t *tool;
    if (!tools || !json_array_size(tools))
        return;
    json_array_foreach(tools, i, tool) {
        const char *const type = json_string_value(json_object_get(tool, "type"));
        const json_t *const function = json_object_get(tool, "function");
        if (!type || strcmp(type, "function"))
            field_wrong(f, param, "tools are expected to be of the type \"function\", found %s", type ? type : "none");
        else if (!json_is_string(json_object_get(function, "name")))
            field_wrong(f, param, "a tool is expected to have a function with a name");
    }
    free(j->tools);
    j->tools = json_dumps(tools, JSON_COMPACT);
    j->setup.tools = j->tools;
}

void job_set_tool_choice(struct job *j, struct fields *f, const char *param, const json_t *choice)
{
    const char *const word = json_string_value(choice);
    const json_t *const name = json_object_get(json_object_get(choice, "function"), "name");
    if (!choice || json_is_null(choice) || (word && !strcmp(word, "auto")))
        return;
    if (word && !strcmp(word, "none")) {
        j->setup.tool_choice = INFER_TOOL_NONE;
    } else if ((word && (!strcmp(word, "required") || !strcmp(word, "any"))) || json_is_string(name)) {
        j->setup.tool_choice = INFER_TOOL_REQUIRED;
        j->setup.tool_name = json_string_value(name);
        if (!j->setup.tools)
            field_wrong(f, param, "a call is required, but there are no tools");
    } else {
        field_wrong(f, param, "expected \"auto\", \"none\", \"required\" or a function's name");
    }
}

void job_set_variables(struct job *j, struct fields *f, const char *param, const json_t *variables)
{
    if (!variables)
        return;
    if (!json_is_object(variables)) {
        field_wrong(f, param, "expected an object, found %s", json_kind(variables));
        return;
    }
    free(j->variables);
    j->variables = json_dumps(variables, JSON_COMPACT);
    j->setup.variables = j->variables;
}

bool conversation_ids(struct job *j, const char *text, size_t length, struct ids *ids, infer_error *err)
{
    struct text all = { 0 };
    size_t size = 0;
    bool there = false;
    char *const messages = job_open_chat(j, err) ? json_dumps(j->messages, JSON_COMPACT) : NULL;
    if (messages && infer_chat_prompt(j->chat->chat, messages, strlen(messages), NULL, 0, &size, err) == INFER_OK) {
        text_add_room(&all, size);
        if (!all.failed)
            infer_chat_prompt(j->chat->chat, messages, strlen(messages), all.v, size, &size, err);
        text_add(&all, text, length);
        if (all.failed)
            service_error(err, INFER_E_NOMEM, "no memory for a prompt of %zu bytes", size + length);
        else
            there = ids_add_text(ids, infer_model_tokenizer(j->model->model), all.v, all.n, INFER_PARSE_SPECIAL, err);
    }
    text_free(&all);
    free(messages);
    return there;
}

bool conversation_continue(struct job *j, infer_error *err)
{
    const size_t last = json_array_size(j->messages) - 1;
    const json_t *const message = json_array_get(j->messages, last);
    const char *const role = json_string_value(json_object_get(message, "role"));
    json_t *const text = json_object_get(message, "content");
    if (!role || strcmp(role, "assistant") || !json_string_length(text) || j->setup.tools)
        return true;
    json_incref(text);
    json_array_remove(j->messages, last);
    struct ids ids = { 0 };
    const bool there = conversation_ids(j, json_string_value(text), json_string_length(text), &ids, err);
    json_decref(text);
    json_decref(j->messages);
    j->messages = NULL;
    j->ids = ids.v;
    j->n_ids = ids.n;
    return there;
}

json_t *answer_call(const struct answer *a, size_t i)
{
    return json_deep_copy(json_array_get(a->calls, i));
}
