/* route.c - the table of routes. docs/server.md says what they do. */
#include "service/route.h"

#include "service/openai.h"
#include "service/figures.h"
#include "service/llama.h"
#include "service/messages.h"
#include "service/ollama.h"
#include "service/own.h"
#include "service/responses.h"
#include "service/shimmy.h"
#include "service/slots.h"

#include <stdio.h>
#include <string.h>

static const struct route routes[] = {
    { "GET", "/health", health, OWN, OPEN | QUICK | ALWAYS },
    { "GET", "/v1/models", models_list, OPENAI, 0 },
    { "GET", "/v1/models/*", models_one, OPENAI, 0 },
    { "POST", "/v1/chat/completions", chat_completions, OPENAI, 0 },
    { "POST", "/v1/completions", completions, OPENAI, 0 },
    { "POST", "/v1/messages", messages, ANTHROPIC, 0 },
    { "POST", "/v1/messages/count_tokens", messages_count, ANTHROPIC, 0 },
    { "POST", "/api/generate", ollama_generate, OLLAMA, 0 },
    { "POST", "/api/chat", ollama_chat, OLLAMA, 0 },
    { "POST", "/api/embed", ollama_embed, OLLAMA, 0 },
    { "POST", "/api/embeddings", ollama_embeddings, OLLAMA, 0 },
    { "GET", "/api/tags", ollama_tags, OLLAMA, 0 },
    { "GET", "/api/ps", ollama_ps, OLLAMA, 0 },
    { "POST", "/api/show", ollama_show, OLLAMA, 0 },
    { "GET", "/api/version", ollama_version, OLLAMA, QUICK },
    { "POST", "/api/pull", ollama_pull, OLLAMA, CHANGES },
    { "DELETE", "/api/delete", ollama_refuse, OLLAMA, 0 },
    { "POST", "/api/copy", ollama_refuse, OLLAMA, 0 },
    { "POST", "/api/create", ollama_refuse, OLLAMA, 0 },
    { "POST", "/api/push", ollama_refuse, OLLAMA, 0 },
    { "MESSAGE", "/ws/generate", shimmy_message, OLLAMA, 0 },
    { "GET", "/api/models", shimmy_models, OLLAMA, 0 },
    { "GET", "/diag", shimmy_machine, OLLAMA, QUICK },
    { "POST", "/v1/responses", responses_create, OPENAI, 0 },
    { "GET", "/v1/responses/*/input_items", responses_input, OPENAI, 0 },
    { "GET", "/v1/responses/*", responses_get, OPENAI, 0 },
    { "DELETE", "/v1/responses/*", responses_delete, OPENAI, 0 },
    { "POST", "/v1/embeddings", embeddings, OPENAI, 0 },
    { "POST", "/v1/rerank", rerank, OPENAI, 0 },
    { "POST", "/rerank", rerank, OPENAI, 0 },
    { "POST", "/completion", completion, OWN, 0 },
    { "POST", "/completions", completion, OWN, 0 },
    { "POST", "/infill", infill, OWN, 0 },
    { "POST", "/score", score, OWN, COMPUTES },
    { "GET", "/metrics", metrics, OWN, ALWAYS },
    { "GET", "/openapi.json", openapi, OWN, QUICK },
    { "GET", "/props", props, OWN, 0 },
    { "POST", "/models/load", model_load, OWN, CHANGES },
    { "POST", "/models/unload", model_unload, OWN, CHANGES },
    { "POST", "/tokenize", tokenize, OWN, SHORT },
    { "POST", "/detokenize", detokenize, OWN, SHORT },
    { "POST", "/apply-template", apply_template, OWN, 0 },
    { "GET", "/slots", slots_list, OWN, 0 },
    { "POST", "/slots/*", slots_act, OWN, CHANGES },
    { "GET", "/lora-adapters", adapters_list, OWN, 0 },
    { "POST", "/lora-adapters", adapters_set, OWN, CHANGES },
};
enum { N_ROUTES = sizeof routes / sizeof *routes };
_Static_assert((int)N_ROUTES <= (int)N_ROUTES_MAX, "figures have no room for that many");

static bool matches(const char *pattern, const char *path, const char **rest, size_t *length)
{
    const size_t before = strcspn(pattern, "*"), n = strlen(path);
    const char *const after = pattern[before] ? pattern + before + 1 : "";
    const size_t behind = strlen(after);
    if (!pattern[before])
        return !strcmp(pattern, path);
    if (n <= before + behind || strncmp(pattern, path, before) || strcmp(path + n - behind, after))
        return false;
    *rest = path + before;
    *length = n - before - behind;
    return true;
}

const struct route *route_find(const char *method, const char *path, const char **rest, size_t *length, int *status)
{
    const bool head = !strcmp(method, "HEAD");
    *status = 404;
    for (const struct route *r = routes; r < routes + N_ROUTES; r++) {
        if (!matches(r->path, path, rest, length))
            continue;
        if (!strcmp(r->method, head ? "GET" : method))
            return r;
        *status = !strcmp(r->method, "MESSAGE") && !strcmp(method, "GET") ? 426 : 405;
    }
    return NULL;
}

void route_methods(const char *path, char *list, size_t max)
{
    const char *rest, *pattern = NULL; /* the first that matches */
    size_t length, n = 0;
    *list = '\0';
    for (const struct route *r = routes; r < routes + N_ROUTES && n < max; r++) {
        const bool gets = !strcmp(r->method, "GET"), socket = !strcmp(r->method, "MESSAGE"); /* begins as GET */
        if (pattern ? strcmp(r->path, pattern) : !matches(r->path, path, &rest, &length))
            continue;
        pattern = r->path;
        n += (size_t)snprintf(list + n, max - n, "%s%s", n ? ", " : "",
                              gets ? "GET, HEAD" : socket ? "GET" : r->method);
    }
}

const struct route *route_at(size_t index)
{
    return index < N_ROUTES ? &routes[index] : NULL;
}
