/* settings.c - where models come from, as options and environment say. */
#include "tools/pull/settings.h"

#include "tools/common/failure.h"
#include "tools/common/program.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

/* The first of these variables that has a value. */
static const char *variable(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return value;
    }
    return NULL;
}
#define VARIABLE(...) \
    variable((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static bool is_true(const char *value)
{
    static const char *const words[] = { "1", "on", "yes", "true" };
    for (size_t i = 0; value && i < sizeof words / sizeof *words; i++)
        if (!strcasecmp(value, words[i]))
            return true;
    return false;
}

static const char *home(void)
{
    const char *value = VARIABLE("HOME");
    const struct passwd *user = value ? NULL : getpwuid(getuid());
    return value ? value : user && user->pw_dir ? user->pw_dir : ".";
}

/* A path and what is below it, ~ being the home directory; for free(). */
static char *join(const char *path, const char *below)
{
    char *joined = NULL;
    const bool tilde = path[0] == '~' && (path[1] == '/' || !path[1]);
    return asprintf(&joined, "%s%s%s", tilde ? home() : "", path + tilde, below) < 0 ? NULL : joined;
}

/* What is below the directory that Hugging Face's programs keep their things in. */
static char *below_home(const char *below)
{
    const char *own = VARIABLE("HF_HOME"), *cache = VARIABLE("XDG_CACHE_HOME");
    char *folder = own ? join(own, "") : cache ? join(cache, "/huggingface") : join("~", "/.cache/huggingface");
    char *path = folder ? join(folder, below) : NULL;
    free(folder);
    return path;
}

char *pull_cache(const struct pull_settings *s)
{
    const char *path = s->cache ? s->cache : VARIABLE("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE");
    return path ? join(path, "") : below_home("/hub");
}

/* What is stored in the file for it, if there is one. */
static infer_status read_token(char **token, infer_error *err)
{
    const char *said = VARIABLE("HF_TOKEN_PATH");
    char *path = said ? join(said, "") : below_home("/token");
    size_t n;
    if (!path)
        return failure(err, INFER_E_NOMEM, "no memory for a path");
    const bool there = access(path, F_OK) == 0;
    *token = there ? read_file(path, &n, err) : NULL;
    free(path);
    return there && !*token ? err->code : INFER_OK;
}

/* The token without blanks around it; NULL where there is none, or none is to be sent unasked. */
static infer_status find_token(const char *said, char **token, infer_error *err)
{
    const char *value = said ? said : VARIABLE("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN");
    *token = NULL;
    if (!said && is_true(getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")))
        return INFER_OK;
    if (value && !(*token = strdup(value)))
        return failure(err, INFER_E_NOMEM, "no memory for a token");
    const infer_status status = value ? INFER_OK : read_token(token, err);
    if (!*token)
        return status;
    const size_t blanks = strspn(*token, " \t\r\n");
    size_t n = strlen(*token + blanks);
    while (n && strchr(" \t\r\n", (*token)[blanks + n - 1]))
        n--;
    memmove(*token, *token + blanks, n);
    (*token)[n] = 0;
    if (!n) {
        free(*token);
        *token = NULL;
    }
    return status;
}

bool pull_is_name(const char *text)
{
    return !strncasecmp(text, "hf.co/", 6) || !strncasecmp(text, "huggingface.co/", 15);
}

infer_status pull_setup_open(struct pull_setup *setup, const struct pull_settings *s, infer_error *err)
{
    memset(setup, 0, sizeof *setup);
    setup->cache = pull_cache(s);
    const infer_status status = setup->cache ? find_token(s->token, &setup->token, err)
                                             : failure(err, INFER_E_NOMEM, "no memory for a path");
    setup->o = (struct pull_options){
        .cache = setup->cache,
        .token = setup->token,
        .endpoint = s->endpoint ? s->endpoint : VARIABLE("HF_ENDPOINT"),
        .ca_file = VARIABLE("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
        .file = s->file,
        .offline = s->offline || is_true(VARIABLE("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")),
        .retries = 5,
        .delay = 1,
    };
    if (status != INFER_OK)
        pull_setup_close(setup);
    return status;
}

void pull_setup_close(struct pull_setup *setup)
{
    free(setup->cache);
    free(setup->token);
    memset(setup, 0, sizeof *setup);
}
