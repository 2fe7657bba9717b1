/* reference.c - what a user writes to name a model on a hub. */
#include "tools/pull/reference.h"

#include "tools/common/failure.h"
#include "tools/pull/digest.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const char expected[] = "expected ORG/REPO[:TYPE][@REVISION] or the URL of a .gguf file";

bool path_is_plain(const char *path)
{
    size_t n = 0; /* of the part */
    if (strlen(path) >= PULL_MOST_PATH)
        return false;
    for (const char *c = path;; c++) {
        if (*c && *c != '/') {
            if ((unsigned char)*c < ' ' || *c == 127 || *c == '\\' || ++n > 255)
                return false;
            continue;
        }
        if (!n || (n == 1 && c[-1] == '.') || (n == 2 && c[-1] == '.' && c[-2] == '.'))
            return false;
        if (!*c)
            return true;
        n = 0;
    }
}

/* n bytes of text, if they fit. */
static bool store(char *room, size_t size, const char *text, size_t n)
{
    if (n >= size)
        return false;
    memcpy(room, text, n);
    room[n] = 0;
    return true;
}
#define STORE(field, text, n) store(field, sizeof(field), text, n)

/* The same, %20 being a space. A byte 0 is no text. */
static bool store_decoded(char *room, size_t size, const char *text, size_t n)
{
    int length;
    char *decoded = curl_easy_unescape(NULL, text, (int)n, &length);
    const bool stored = decoded && strlen(decoded) == (size_t)length && store(room, size, decoded, (size_t)length);
    curl_free(decoded);
    return stored;
}

/* What follows the name of a hub, or NULL. */
static const char *behind_hub(const char *what, const char *endpoint)
{
    const char *const names[] = { endpoint, "https://huggingface.co", "https://hf.co", "huggingface.co", "hf.co" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t n = strlen(names[i]);
        if (n && !strncasecmp(what, names[i], n) && what[n] == '/')
            return what + n + 1;
    }
    return NULL;
}

/* ORG/NAME or NAME, of what a hub allows in names; how many bytes, 0: it is none. */
static size_t repo_length(const char *text)
{
    size_t n = 0, slashes = 0, part = 0;
    for (;; n++) {
        const char c = text[n];
        if (isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.') {
            const bool twice = part && (c == '-' || c == '.') && text[n - 1] == c; /* "--" stands for / in the cache */
            if (twice || (!part && (c == '-' || c == '.')))
                return 0;
            part++;
        } else if (c == '/' && part && !slashes++) {
            part = 0;
        } else {
            return part ? n : 0;
        }
    }
}

/* /resolve/REVISION/FILE, /blob/REVISION/FILE, /tree/REVISION, as a hub's pages have them; what follows ? is theirs. */
static bool read_page(struct reference *r, const char *rest)
{
    static const char *const words[] = { "/resolve/", "/blob/", "/tree/" };
    const size_t end = strcspn(rest, "?#");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const size_t n = strlen(words[i]);
        if (strncmp(rest, words[i], n) != 0)
            continue;
        const char *revision = rest + n;
        const size_t length = strcspn(revision, "/?#");
        if (!store_decoded(r->revision, sizeof r->revision, revision, length))
            return false;
        const char *file = revision + length + (revision[length] == '/');
        const size_t left = (size_t)(rest + end - file);
        return !left ? i == 2 : i < 2 && store_decoded(r->file, sizeof r->file, file, left);
    }
    return end == 0;
}

/* [:TYPE][@REVISION], or in the other order. */
static bool read_marks(struct reference *r, const char *rest)
{
    while (*rest) {
        const bool is_type = *rest == ':';
        const size_t n = is_type ? strcspn(rest + 1, "@:") : strcspn(rest + 1, ":");
        if ((*rest != ':' && *rest != '@') || !n)
            return false;
        if (!(is_type ? STORE(r->type, rest + 1, n) : STORE(r->revision, rest + 1, n)))
            return false;
        rest += 1 + n;
    }
    return true;
}

static infer_status read_repo(struct reference *r, const char *what, const char *rest, infer_error *err)
{
    const size_t n = repo_length(rest);
    if (!n || !STORE(r->repo, rest, n))
        return failure(err, INFER_E_ARGUMENT, "\"%s\" names no model: %s", what, expected);
    rest += n;
    if (!((rest[0] == ':' || rest[0] == '@') ? read_marks(r, rest) : read_page(r, rest)))
        return failure(err, INFER_E_ARGUMENT, "\"%s\": found \"%s\" after the repository; %s", what, rest, expected);
    if (!path_is_plain(r->revision) || (*r->file && !path_is_plain(r->file)))
        return failure(err, INFER_E_ARGUMENT, "\"%s\": the %s is no path within a repository", what,
                       *r->file ? "file" : "revision");
    return INFER_OK;
}

static infer_status read_url(struct reference *r, const char *what, infer_error *err)
{
    const size_t end = strcspn(what, "?#");
    size_t begin = end;
    while (begin && what[begin - 1] != '/')
        begin--;
    const bool gguf = end - begin > 5 && !strncasecmp(what + end - 5, ".gguf", 5);
    if (!gguf || !STORE(r->url, what, strlen(what)) ||
        !store_decoded(r->file, sizeof r->file, what + begin, end - begin) || !path_is_plain(r->file) ||
        strchr(r->file, '/'))
        return failure(err, INFER_E_ARGUMENT, "\"%s\" is no URL of a .gguf file and not of the hub; %s", what,
                       expected);
    return INFER_OK;
}

infer_status reference_read(struct reference *r, const char *what, const char *endpoint, infer_error *err)
{
    memset(r, 0, sizeof *r);
    strcpy(r->revision, "main");
    const char *rest = behind_hub(what, endpoint);
    if (!rest && strstr(what, "://"))
        return read_url(r, what, err);
    return read_repo(r, what, rest ? rest : what, err);
}

/* Of URLs: "models--url--HOST--" and a hash of all before the ?, where signatures stand that change. No repository's
 * name has three parts, so these folders are nobody else's. Hugging Face's programs list and delete
 * them as all others. */
static char *url_folder(const struct reference *r)
{
    char hash[DIGEST_HEX], host[100] = "", *folder = NULL;
    const char *begin = strstr(r->url, "://");
    const size_t n = begin ? strcspn(begin + 3, "/:@?#") : 0;
    if (!begin || !digest_text(r->url, strcspn(r->url, "?#"), hash))
        return NULL;
    for (size_t i = 0; i < n && i + 1 < sizeof host; i++)
        host[i] = isalnum((unsigned char)begin[3 + i]) || begin[3 + i] == '.' ? begin[3 + i] : '_';
    return asprintf(&folder, "models--url--%s--%.16s", host, hash) < 0 ? NULL : folder;
}

char *reference_folder(const struct reference *r)
{
    if (*r->url)
        return url_folder(r);
    const size_t org = strcspn(r->repo, "/");
    const char *name = r->repo[org] ? r->repo + org + 1 : NULL;
    char *folder = NULL;
    const int n = asprintf(&folder, "models--%.*s%s%s", (int)org, r->repo, name ? "--" : "", name ? name : "");
    return n < 0 ? NULL : folder;
}
